"""The trainer: one process of a group learns from the changelog, and releases the model to all workers."""
