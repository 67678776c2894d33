"""The worker: partitions, step loop, pipeline, changelog; everything between input and output topics."""
