"""Records: how they are decoded, checked and encoded. Knows nothing of clients, torch or state."""
