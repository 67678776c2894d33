"""What is asked about the days ahead, of whom, and when the answer is known."""
