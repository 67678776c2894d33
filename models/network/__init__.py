"""The torch network: its parts, the incremental and the sequence form, item embeddings and weights."""
