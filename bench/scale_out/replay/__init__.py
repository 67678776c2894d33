"""Without Kafka: a log through several workers and one trainer, or through workers that learn alone."""
