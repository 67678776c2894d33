"""Decisions: what to show, with the propensity of each place, learnt from rewards. Only `deep_q.trainer` has torch."""
