"""Simulated users who see slates and click by a known model: the truth that policies and estimators are held to."""
