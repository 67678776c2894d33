"""Measures what `streams` runs and what `models` predict. Nothing imports it."""
