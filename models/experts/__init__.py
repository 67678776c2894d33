"""Count experts, the gate that weighs them, and the mixture with the network into one distribution."""
