"""Items: an index for each id, their categories, and vectors of what catalog and reviews say of them."""
