"""Kafka in, Kafka out: the only package that knows topics and awaits them."""

__version__ = "0.1.0"
