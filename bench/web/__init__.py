"""The HTTP server under load: latency of its answers, time until it is ready, memory by users."""
