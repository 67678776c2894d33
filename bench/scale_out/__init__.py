"""Quality by number of workers: with one trainer whose releases they follow, and each learning alone."""
