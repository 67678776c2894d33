"""Parts of a record read: JSON, fields by path, event types, times, typed events, and the frames of registries."""
