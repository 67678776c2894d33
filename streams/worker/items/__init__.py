"""The topics that describe items: their index and their catalog."""
