"""Events in, predictions out: vocabulary, user memory, network, learner.

Knows nothing of Kafka, RocksDB or settings files.
"""
