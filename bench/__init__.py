"""Benchmarks of the worker's throughput, of prediction quality, and of the model's cost. Nothing imports it."""
