"""A deep Q-network over slates. It acts by numpy; only `learner` has torch."""
