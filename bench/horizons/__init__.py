"""Benchmark of the outlook: return and interest within days and weeks, beside classical models of them."""
