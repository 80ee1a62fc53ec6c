"""What can go wrong in anybody's job."""

from __future__ import annotations


class JobError(RuntimeError):
    """A failure that was foreseen: its message says what is wrong and what to do, so no traceback is shown with it."""


class FolderNotOursError(JobError):
    """OUTPUT_DIR cannot be written to, or another job is running in it: nothing of this job may be left there."""


class WeightsError(JobError):
    """A checkpoint whose weights cannot be found, read or used; the message is one line: the reason and the remedy."""


class DamagedFileError(WeightsError):
    """A checkpoint of which a part is missing or wrong: downloading or copying it again may help."""
