"""The engine: a micro-batch of events and user rows in, new rows and explained predictions out."""
