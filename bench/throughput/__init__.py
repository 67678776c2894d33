"""Throughput benchmark: CPU time per event of the worker and of other programs under a backlog."""
