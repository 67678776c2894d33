"""Items: an index for each id, categories, and content vectors from catalog and reviews."""
