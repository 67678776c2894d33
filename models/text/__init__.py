"""Text to vectors: hashed n-grams, pretrained encoders, and their eight-byte sign codes."""
