"""Releases of the model through a compacted topic: written in one transaction each, and read as complete models."""
