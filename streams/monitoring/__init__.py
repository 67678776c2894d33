"""Metrics in Prometheus' format and health checks of a process, over HTTP."""
