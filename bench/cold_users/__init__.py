"""Benchmark of cold users: recall on the first events of users, with and without what is known of them."""
