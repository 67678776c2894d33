"""Count-based baselines as scorers: popularity, Markov chain, mix, rating means."""
