"""Records of decisions and of what they are joined with: rewards and experiments."""
