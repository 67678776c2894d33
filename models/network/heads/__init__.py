"""Heads on a user's stored state: what they read is the row, what they predict lies ahead of the next event."""
