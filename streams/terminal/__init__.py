"""Terminal views of topics: predictions, worker quality, one user's state."""
