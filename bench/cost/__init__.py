"""Cost: what each part of a step takes of time, and each user and item of memory."""
