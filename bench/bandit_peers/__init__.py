"""Benchmark of the bandits of models/policy beside those of Vowpal Wabbit, on the same simulated users."""
