"""Records that could not be used, with the reason: written and read."""
