"""Views of topics for a terminal: predictions, quality, one user."""
