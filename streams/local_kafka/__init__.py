"""Apache Kafka on this machine without a container: jars from Maven, one or three KRaft nodes."""
