"""Benchmark of cold items: recall of items of age below a day, with and without their catalog's numbers."""
