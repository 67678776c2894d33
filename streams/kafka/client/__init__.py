"""How a connection to Kafka is made, what it may do, and what the brokers say of topics."""
