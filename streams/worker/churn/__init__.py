"""Warnings of users who fall silent: a sweep over the rows of the assigned partitions, between micro-batches."""
