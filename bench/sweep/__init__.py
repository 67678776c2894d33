"""Benchmark of the sweep for silent users: how many it looks at in a second, and for how long a step waits for it."""
