"""Throughput: CPU time per event under a backlog, beside programs that do the work in other ways."""
