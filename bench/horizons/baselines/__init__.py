"""What the outlook is compared with; each knows every event up to the question exactly."""
