"""Quality: how well scorers predict logs, by prequential replay."""
