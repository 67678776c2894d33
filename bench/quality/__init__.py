"""Quality benchmark: how well scorers predict event logs, by prequential evaluation."""
