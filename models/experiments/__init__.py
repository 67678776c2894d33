"""Statistics of experiments: who is in which arm, and what can be concluded at any time. Knows nothing of Kafka."""
