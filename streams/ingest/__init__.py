"""Ingest: topics that are keyed otherwise become canonical events keyed by user, exactly once."""
