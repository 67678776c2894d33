"""Follows the topics into the view, and hands new predictions to streams."""
