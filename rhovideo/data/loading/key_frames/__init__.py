"""Key frames with the boxes of people (TASK detection)."""
