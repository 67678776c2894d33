"""Ranks and log-probabilities of what came, running means, and the popularity baseline."""
