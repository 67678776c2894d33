"""Releases: what one trainer learnt and counted, as parts that others apply to their engines in place."""
