"""Next-item prediction: event features and user state, item vocabulary, network, experts, inference and training.

Independent of Kafka, RocksDB and settings files.
"""
