"""The torch network: its modules with incremental and sequence forms, item embeddings, weights."""
