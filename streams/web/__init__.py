"""The HTTP server: a view of the topics, kept in RocksDB, and the API and the page that show it."""
