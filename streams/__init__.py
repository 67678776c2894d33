"""Kafka in, Kafka out: the only package that knows topics and awaits them."""
