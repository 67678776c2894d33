"""Benchmark of policies on simulated users, of off-policy estimates, and of attacks on what policies learn."""
