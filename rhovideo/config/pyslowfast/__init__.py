"""PySlowFast's files: the keys and values that have another meaning here."""
