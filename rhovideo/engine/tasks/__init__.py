"""The tasks of a job: one file for each TASK."""
