"""What a job's lists hold: labels, classes, videos that stand in two of them, and changes since a run began."""
