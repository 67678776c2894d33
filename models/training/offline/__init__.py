"""Training on logs, before any stream: epochs over whole histories, in one process or several."""
