"""One reader per on-disk layout; each returns the same video manifest."""
