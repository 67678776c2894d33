"""Events as numpy arrays: batches, features, logs, and users' stored rows. Imports no torch."""
