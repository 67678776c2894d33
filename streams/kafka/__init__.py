"""Kafka clients: topics, readers, publishers, the transaction of a step, and the transport of Faust."""
