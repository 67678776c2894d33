"""The process of policies: decisions joined with the events that name them, rewards, what policies learn from them."""
