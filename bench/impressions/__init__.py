"""What impressions in a log do to predictions."""
