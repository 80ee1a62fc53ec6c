"""What can go wrong with a checkpoint. Without torch."""

from __future__ import annotations

from rhovideo.errors import JobError


class WeightsError(JobError):
    """A file whose weights cannot be had or used; the message is one line that says why and what to do."""


class DamagedFileError(WeightsError):
    """A file that is not all of what was to be had, so that getting it again may help."""
