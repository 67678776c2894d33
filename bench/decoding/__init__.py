"""The cost of decoding an event, by the format that it comes in."""
