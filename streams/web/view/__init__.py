"""What the topics say now, in RocksDB: written by one thread that follows Kafka, read by the API."""
