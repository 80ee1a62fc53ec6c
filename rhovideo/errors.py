"""Errors that any part of a job may raise."""

from __future__ import annotations

import errno
import os

from rhovideo.cache_variables import names_a_cache


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


class WriteError(JobError, OSError):
    """A file that cannot be written: the disk is full, the folder is read-only, or the like.

    Args:
        path: of the file.
        error: the system's.

    Attributes:
        errno: the system's number.
        strerror: the system's words.
        filename: the path.
    """

    def __init__(self, path: object, error: OSError) -> None:
        super().__init__(f"{path}: {_reason(error)}")
        self.errno, self.strerror, self.filename = error.errno, error.strerror, str(path)

    def __str__(self) -> str:
        # An OSError would show its number and words alone.
        return str(self.args[0])


_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_FOLDER = {errno.ENOTDIR, errno.EEXIST, errno.EISDIR}


def _reason(error: OSError) -> str:
    """What is wrong with a place, and what to do."""
    if error.errno in _FULL:
        quota = " in your quota" if error.errno == errno.EDQUOT else ""
        return f"no space left{quota}: free some on that disk (`df -h` shows it), then start the same command again"
    if error.errno == errno.EFBIG:
        return "is larger than files may be here: raise the limit (`ulimit -f`), then start the same command again"
    if error.errno in _FORBIDDEN:
        return f"{error.strerror}: name a place that you may use, or allow it here"
    if error.errno in _NO_FOLDER:
        return f"cannot be made ({error.strerror}): a file is where a folder should be, or a folder where a file should"
    return f"cannot be written ({error.strerror or error})"


def as_write_error(error: BaseException) -> JobError | None:
    """The error of a place that cannot be written to, with what to do; None for any other error.

    A writer names its file with :func:`rhovideo.atomic_files.writing`. This is for those of other libraries.
    """
    known = _FULL | _FORBIDDEN | _NO_FOLDER | {errno.EFBIG, errno.ENAMETOOLONG}
    if isinstance(error, WriteError):
        return error
    if isinstance(error, OSError) and error.errno in known and (error.filename or error.errno in _FULL):
        return WriteError(error.filename or "a file", error)
    return None


def as_foreseen(error: BaseException) -> JobError | None:
    """An error with what to do, where it is known; None for any other error.

    Beside errors that are foreseen where they come from, these are places that cannot be written to, folders for caches
    that cannot be used, and too many open files, wherever that ends a command.
    """
    if isinstance(error, JobError):
        return error
    return _too_many_files(error) or _unusable_cache(error) or as_write_error(error)


def _unusable_cache(error: BaseException) -> JobError | None:
    """The error of a place below a folder for caches or temporary files that an environment variable names."""
    if not isinstance(error, OSError) or not isinstance(error.filename, str):
        return None
    for name, folder in os.environ.items():
        if names_a_cache(name) and folder and f"{error.filename}/".startswith(f"{folder.rstrip('/')}/"):
            reason = error.strerror or error
            return JobError(f"{name} is {folder}, which cannot be used ({reason}): name another folder, or unset it")
    return None


# What is asked for where the system allows as many; some systems have a lower limit that only their owner can raise.
_ENOUGH_FILES = 4096


def _too_many_files(error: BaseException) -> JobError | None:
    if not _out_of_files(error):
        return None
    import resource  # not there on every system; one without it names no such limit

    limit, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _ENOUGH_FILES if highest == resource.RLIM_INFINITY else min(_ENOUGH_FILES, highest)
    first = f"`ulimit -n {allowed}` first" if allowed > limit else f"`ulimit -n {_ENOUGH_FILES}` first, in a new shell"
    return JobError(
        f"too many open files (limit {limit}): run {first}, or set DATA_LOADER.NUM_WORKERS lower",
        keys=("DATA_LOADER.NUM_WORKERS",),
    )


def _out_of_files(error: BaseException | None) -> bool:
    """True if an error, or one that it came of, is that this process may open no more files."""
    # torch and multiprocessing turn it into a RuntimeError without the system's number, where they pass on tensors.
    if isinstance(error, RuntimeError) and _cannot_open():
        return True
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno == errno.EMFILE:
            return True
        error = error.__cause__ or error.__context__
    return False


def _cannot_open() -> bool:
    """True if this process can open no file now."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno == errno.EMFILE
    return False


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
