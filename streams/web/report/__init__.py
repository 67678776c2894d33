"""Report: the live page of a running server as one file, with the answers that the server gave then."""
