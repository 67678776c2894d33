"""Benchmark: how far a few users can push an item into the predictions of all others."""
