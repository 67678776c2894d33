"""What every request and answer goes through: roles, limits, headers, errors, entity tags, files."""
