"""Decisions: from a user's prediction and the state of a policy to a slate. Used by the HTTP server and by policies."""
