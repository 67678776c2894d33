"""Policies that choose by the expected reward of each item, and the model of it."""
