"""Readers of event logs and item files (MovieLens, CSV, TSV, JSON lines), and a generator of synthetic ones."""
