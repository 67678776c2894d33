"""Loss, optimizer, the online learner, offline training, and replay of logs."""
