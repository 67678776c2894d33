"""Counters: the baselines that recommender teams already count."""
