"""Partitions of the source topic: assigned, recovered from the changelog, read without gaps."""
