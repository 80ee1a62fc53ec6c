"""Errors that any part of a job may raise."""

from __future__ import annotations


class JobError(RuntimeError):
    """A failure that was foreseen: its message says what is wrong and what to do, so no traceback is shown with it.

    Args:
        message: the text for the person.
        keys: the keys of the configuration to put right, the first one first; empty where no key is to blame.

    Attributes:
        keys: as given.
    """

    def __init__(self, message: object = "", *, keys: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.keys = keys


class SettingError(ValueError):
    """Values of the configuration from which nothing can be built.

    Args:
        message: what is wrong, and what to write.
        keys: the keys that hold these values, the one to put right first.

    Attributes:
        keys: as given.
    """

    def __init__(self, message: str, *keys: str) -> None:
        super().__init__(message)
        self.keys = keys


class LostPeerError(RuntimeError):
    """A collective of the job's processes failed here: as a rule because another process has ended."""


class FolderNotOursError(JobError):
    """OUTPUT_DIR cannot be written to, or another job is running in it: nothing of this job may be left there."""


class WeightsError(JobError):
    """A checkpoint whose weights cannot be found, read or used; the message is one line: the reason and the remedy."""


class DamagedFileError(WeightsError):
    """A checkpoint of which a part is missing or wrong: downloading or copying it again may help."""
