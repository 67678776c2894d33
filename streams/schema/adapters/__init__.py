"""Adapters: one file per format in which events arrive, each to canonical fields. `registry` picks the adapter."""
