"""What a job does: one file a TASK."""
