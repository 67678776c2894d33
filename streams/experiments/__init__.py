"""Experiments: from the topics of decisions and rewards to what they show, and what stops them."""
