"""The worker's part in the one model of its group: it follows the releases, and may host the trainer."""
