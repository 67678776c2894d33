"""Formats of input files, line by line or object by object: text with delimiters, JSON, Parquet; compressed or not."""
