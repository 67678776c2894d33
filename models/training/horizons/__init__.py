"""Learning of the heads that look days ahead."""
