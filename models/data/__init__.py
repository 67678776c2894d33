"""Events as arrays: batches, features, logs, and what a user's row holds of them. Knows nothing of torch."""
