"""The demo: a local Kafka, a worker and a stream on this machine, shown live and checked at the end."""
