"""Lag and cost of releases, of a trainer and of who follows it."""
