"""The trail's seal: a chain of keyed digests over its rows, whose key is outside the database."""
