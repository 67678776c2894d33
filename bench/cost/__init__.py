"""Cost benchmark: CPU time of each part of a micro-batch, and memory per user and item."""
