"""The command line, `interest-stream`."""
