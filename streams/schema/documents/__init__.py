"""Descriptions of all records for other programs: JSON Schema, Avro, AsyncAPI."""
