"""Records in Confluent's wire format: Avro, Protobuf and JSON Schema, by the schemas of a schema registry."""
