"""What another policy would have earned, estimated from the decisions of the one that was logged."""
