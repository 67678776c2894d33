"""Where a user's memory rests between events. Knows nothing of torch, Kafka, events or settings."""
