"""Lists from the owners' annotations of data sets: the official videos that are there, and those that are missing."""
