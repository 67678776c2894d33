"""The demo: Kafka, a worker and a stream on this machine, live in the terminal; the result is checked at the end."""
