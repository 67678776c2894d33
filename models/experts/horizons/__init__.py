"""Counts and mixtures that look days ahead: return, interest, type and value of what comes."""
