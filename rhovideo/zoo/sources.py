"""The file of a checkpoint, from its path, its URL or the short name of a released one. Without torch.

Downloads go through iopath's path manager. They are kept in ``$RHOVIDEO_CACHE``, or ``~/.cache/rhovideo``, below the
host's name. Handlers for other kinds of addresses may be registered with :data:`path_manager`.
"""

from __future__ import annotations

import difflib
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlparse
from urllib.request import url2pathname

from iopath.common.file_io import HTTPURLHandler, PathManager

from rhovideo.errors import WeightsError
from rhovideo.zoo.catalogue import ENTRIES, Entry, entry_named, entry_of_file

CACHE_VARIABLE = "RHOVIDEO_CACHE"
# Seconds without a byte after which a download is given up.
PATIENCE = 30.0

# iopath logs a failed download as an error, in addition to the one that is raised.
logging.getLogger("iopath.common.download").setLevel(logging.CRITICAL)
path_manager = PathManager()
path_manager.register_handler(HTTPURLHandler())


def cache_folder() -> Path:
    """The folder of downloads: ``$RHOVIDEO_CACHE``, or ``~/.cache/rhovideo``. It need not exist."""
    return Path(os.environ.get(CACHE_VARIABLE) or "~/.cache/rhovideo").expanduser()


def local_path(source: str | Path) -> Path:
    """The file that a source names, downloaded if it lies elsewhere.

    A download gets its name only when it is complete. Of several processes one downloads, and the others wait.

    Args:
        source: a path, a ``file://``, ``http://`` or ``https://`` URL, or a short name of
            :data:`rhovideo.zoo.catalogue.ENTRIES`. A file in the current folder comes before a short name.

    Returns:
        The path of the file on this machine.

    Raises:
        WeightsError: there is no such file or name, or it cannot be downloaded; the message has the remedy.
    """
    found = _find(source)
    if isinstance(found, Path):
        return found
    return _download(found.url, found.entry) if _is_web(found.url) else _by_handler(found.url)


def path_if_here(source: str | Path) -> Path | None:
    """The file that a source names, without a download; None where there would be one.

    Args:
        source: as for :func:`local_path`.

    Raises:
        WeightsError: there is no such file or name.
    """
    found = _find(source)
    if isinstance(found, Path):
        return found
    cached = _folder_of(found.url) / urlparse(found.url).path.lstrip("/")
    return cached if _is_web(found.url) and cached.is_file() else None


class _Elsewhere(NamedTuple):
    """What lies on no disk of this machine, or in the cache; the entry of a released checkpoint."""

    url: str
    entry: Entry | None


def _find(source: str | Path) -> Path | _Elsewhere:
    text = str(source)
    try:
        if "://" in text:
            return _of_url(text)
        path = Path(source).expanduser()
        is_file, is_folder = path.is_file(), path.is_dir()
    except WeightsError:
        raise
    except (OSError, RuntimeError, ValueError) as error:  # too long, of a user who is not there, no URL after all
        raise WeightsError(
            f"{text}: cannot be a path or a URL ({_one_line(error)}); write that of a .pyth file"
        ) from error
    if is_file:
        return path
    if is_folder:
        raise WeightsError(f"{path}: is a folder, not a checkpoint; write the path of a .pyth file")
    entry = entry_named(text)
    if entry is None:
        raise WeightsError(f"{text}: {_nothing_there(path)}")
    return _Elsewhere(entry.url, entry)


def discard_download(path: Path) -> bool:
    """Remove a damaged file from the cache, so that it is downloaded again. Files outside of the cache stay.

    Args:
        path: the damaged file.

    Returns:
        True if it was a download, and is gone.
    """
    if not path.resolve().is_relative_to(cache_folder().resolve()):
        return False
    path.unlink(missing_ok=True)
    return True


def _is_web(url: str) -> bool:
    return urlparse(url).scheme in ("http", "https")


def _of_url(url: str) -> Path | _Elsewhere:
    parsed = urlparse(url)
    if parsed.scheme == "file":
        path = Path(url2pathname(parsed.path))
        if not path.is_file():
            raise WeightsError(f"{url}: there is no such file on this machine; write the path of a .pyth file")
        return path
    return _Elsewhere(url, entry_of_file(url) if _is_web(url) else None)


def _by_handler(url: str) -> Path:
    path, reason = Path(url), ""
    try:
        path = Path(path_manager.get_local_path(url))  # without a handler this is the URL itself
    except Exception as error:  # a handler of another package may raise anything
        reason = f" ({_one_line(error)})"
    if not path.is_file():
        raise WeightsError(
            f"{url}: {urlparse(url).scheme}:// cannot be read{reason}; download the file and write its path, "
            "or register a handler of iopath with rhovideo.zoo.sources.path_manager"
        )
    return path


def _folder_of(url: str) -> Path:
    """The folder of the cache for what a host gives."""
    return cache_folder() / urlparse(url).netloc.replace(":", "_")


def _download(url: str, entry: Entry | None) -> Path:
    folder = _folder_of(url)
    _make(folder)
    try:
        with _patience():
            return Path(path_manager.get_local_path(url, cache_dir=str(folder)))
    except HTTPError as error:
        raise WeightsError(f"{url}: the server answers {error.code} {error.reason}; {_without(entry, url)}") from error
    # iopath leaves nothing under the file's name if one of these ends a download.
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsError(f"{url}: cannot be downloaded ({_one_line(error)}); {_without(entry, url)}") from error


def _make(folder: Path) -> None:
    """Make the folder, or raise an error: iopath would otherwise use a folder in /tmp that all users share."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise WeightsError(f"{folder}: cannot be written to, and downloads are kept there; set ${CACHE_VARIABLE}")


@contextmanager
def _patience() -> Iterator[None]:
    """Give up on a silent server: iopath has no time limit, and would wait for ever behind some firewalls."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _without(entry: Entry | None, url: str) -> str:
    """The remedy if a URL cannot be reached."""
    name = entry.file if entry else urlparse(url).path.rpartition("/")[2] or "the file"
    return f"get {name} on a machine that can, copy it here, and write its path instead"


def _nothing_there(path: Path) -> str:
    if entry := entry_of_file(path):
        return f"there is no such file; write {entry.name} to download it"
    names = [entry.name for entry in ENTRIES]
    if path.suffix or len(path.parts) > 1:
        return "there is no such file; write the path of a .pyth file"
    close = difflib.get_close_matches(path.name.lower(), names, n=1, cutoff=0.75)
    meant = f"did you mean {close[0]}?" if close else f"the names are {', '.join(names)}"
    return f"there is no such file and no released checkpoint of this name; {meant}"


def _one_line(error: Exception) -> str:
    """An error's message on one line."""
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split()) or type(error).__name__
