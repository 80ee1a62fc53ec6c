"""What can go wrong in anybody's job."""

from __future__ import annotations


class JobError(RuntimeError):
    """A failure that was foreseen: its message says what is wrong and what to do, so no traceback is shown with it."""


class FolderNotOursError(JobError):
    """OUTPUT_DIR cannot be written to, or another job is running in it: nothing of this job may be left there."""
