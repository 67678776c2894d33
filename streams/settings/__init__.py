"""Settings: their sections, their sources, and recipes. Knows nothing of Kafka clients."""
