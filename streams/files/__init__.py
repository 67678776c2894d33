"""Event logs and item files on disk, in the forms in which people have them."""
