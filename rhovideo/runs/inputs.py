"""OUTPUT_DIR/inputs.json: the files that a run's result depends on, each by a hash (SHA-256) of its whole content.

Files are compared by content alone, since a time stamp says nothing: ``mv new.csv test.csv`` leaves an older one. So
each file is read whole whenever a run starts; a checkpoint of 1 GB takes a second or two. The videos themselves are not
read: the lists name them by path, and :mod:`rhovideo.checks.video_sizes` looks at their sizes. The code's version is
recorded and shown, and decides nothing. Imports no torch.

The file holds ``inputs`` (those of the last start), ``code``, and ``history``: the inputs of earlier starts that
differ, the oldest first. A run folder of an earlier version has no such file.
"""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

import rhovideo
from rhovideo.atomic_files import write_text
from rhovideo.config.box_file_names import all_box_files
from rhovideo.config.extension.registries import reads_boxes
from rhovideo.config.list_names import (
    CLASS_NAMES_FILE,
    MIXTURE_MARK,
    label_files,
    list_name,
    needed_splits,
    reads_label_files,
)
from rhovideo.errors import JobError
from rhovideo.runs.file_hash import file_sha256
from rhovideo.runs.folder import INPUTS_FILE, list_checkpoints
from rhovideo.runs.job_checkpoint import job_checkpoint
from rhovideo.runs.official_counts import OfficialCount, as_official_count, read_official_count

# The roles of inputs: the file with the names of the classes, and a checkpoint.
CLASS_NAMES = "class names"
CHECKPOINT = "checkpoint"
# The roles of lists, which have rows.
TRAINING_LIST = "train list"
# Blanks and the byte-order mark.
_BEFORE = b" \t\xef\xbb\xbf"
_LISTS = frozenset(f"{split} list" for split in ("train", "val", "test"))


@dataclass(frozen=True)
class VideoSizes:
    """The sizes of a list's videos, all together.

    Attributes:
        listed: rows of the list.
        looked_at: the videos whose size was asked for; of a long list some.
        missing: those of them that are not there.
        remote: rows that are URLs, which are not asked.
        bytes: of all that were found.
        sha256: of the names and the sizes of those that were looked at.
    """

    listed: int
    looked_at: int
    missing: int
    remote: int
    bytes: int
    sha256: str

    def __str__(self) -> str:
        some = "" if self.looked_at + self.remote == self.listed else f" of {self.listed}"
        parts = [f"sizes of {self.looked_at}{some} videos, {self.bytes / 1e6:,.1f} MB"] if self.looked_at else []
        parts += [f"{self.missing} not there"] if self.missing else []
        parts += [f"{self.remote} URLs not looked at"] if self.remote else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Input:
    """A file that a result depends on.

    Attributes:
        role: its part in the run: "train list", "test labels", "class names" or "checkpoint", and the like.
        path: absolute.
        sha256: of the whole content, in hexadecimal digits.
        size: in bytes.
        rows: lines that are not empty, of a list; None for another file.
        videos: the sizes of a list's videos; None for another file, for a list of frames, and in a record of an earlier
            version.
        official: how many of a data set's official videos a list of videos or frames has; None where
            no `rhovideo index` has counted them.
    """

    role: str
    path: str
    sha256: str
    size: int
    rows: int | None = None
    videos: VideoSizes | None = None
    official: OfficialCount | None = None

    def __str__(self) -> str:
        rows = "" if self.rows is None else f", {self.rows} rows"
        videos = "" if self.videos is None else f"; {self.videos}"
        official = "" if self.official is None else f"; {self.official}"
        return f"{self.role} {self.path}{rows}, sha256 {self.sha256[:12]}{videos}{official}"

    @property
    def split(self) -> str:
        """The split of a list: train, val or test; empty for another file."""
        return self.role.partition(" ")[0] if self.role in _LISTS else ""


@dataclass(frozen=True)
class Inputs:
    """The record of a run's inputs.

    Attributes:
        inputs: the files of the last start.
        code: ``version``, ``commit`` (None outside of a git checkout) and ``sha256`` of the package's .py files.
        history: the inputs of earlier starts, where a start had others.
    """

    inputs: list[Input]
    code: dict[str, str | None]
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Change:
    """An input with another content than the recorded one.

    Attributes:
        was: the recorded file.
        now: the file that is there now; None if it is gone.
    """

    was: Input
    now: Input | None

    def __str__(self) -> str:
        if self.now is None:
            return f"the {self.was.role} {self.was.path} is gone"
        rows = f", {self.was.rows} rows then and {self.now.rows} now" if self.was.rows is not None else ""
        hashes = f"sha256 {self.was.sha256[:12]} then and {self.now.sha256[:12]} now"
        return f"the {self.was.role} {self.now.path} has another content than it was measured on ({hashes}{rows})"


def input_files(cfg: CfgNode) -> Iterator[tuple[str, Path]]:
    """The role and the path of each file that a job's result depends on and that is there; each path once."""
    data = Path(cfg.DATA.PATH_TO_DATA_DIR)
    found: list[tuple[str, Path]] = []
    if reads_boxes(cfg):
        found += [(role, path) for path, (_, role) in all_box_files(cfg).items()]
    for split in () if reads_boxes(cfg) else needed_splits(cfg):
        found.append((f"{split} list", data / list_name(cfg, split)))
        if reads_label_files(cfg, split):
            found += [(f"{split} {name}", data / name) for name in label_files(split)]
    if not reads_boxes(cfg):
        found.append((CLASS_NAMES, data / CLASS_NAMES_FILE))
    found.append((CHECKPOINT, Path(_checkpoint(cfg))))
    for role, path in found:
        if path.is_file():
            yield role, path.absolute()


def _checkpoint(cfg: CfgNode) -> str:
    """The checkpoint that a job begins from or measures; empty without one."""
    # An extraction takes none of its folder.
    found = [] if cfg.TASK == "extract" else list_checkpoints(cfg.OUTPUT_DIR)
    return job_checkpoint(cfg, str(found[0]) if found else "")


def measure(cfg: CfgNode) -> list[Input]:
    """Hash the files that a job's result depends on. The sizes of videos are not looked at.

    Raises:
        OSError: a file cannot be read.
    """
    return [_measured(role, path) for role, path in input_files(cfg)]


def _measured(role: str, path: Path) -> Input:
    rows, sha256 = _rows(path) if role in _LISTS else None, file_sha256(path)
    return Input(role, str(path), sha256, path.stat().st_size, rows, official=read_official_count(path, sha256))


def _rows(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for line in lines if line.strip() and not line.lstrip(_BEFORE).startswith(MIXTURE_MARK))


def record_start(output_dir: str | Path, now: Sequence[Input]) -> Inputs:
    """Write the inputs of a run that starts or goes on now; those of an earlier start go to the history if they differ.

    Args:
        output_dir: the run folder, which must exist.
        now: the inputs of this start.
    """
    before = read_inputs(output_dir)
    history = list(before.history) if before else []
    if before and (changes(before.inputs, now) or _other_videos(before.inputs, now)):
        history.append({"inputs": [asdict(item) for item in before.inputs], "code": before.code})
    record = Inputs(list(now), code(), history)
    write_text(Path(output_dir) / INPUTS_FILE, json.dumps(asdict(record), indent=2) + "\n")
    return record


def read_inputs(output_dir: str | Path) -> Inputs | None:
    """The record of a run folder; None if an earlier version has written the folder.

    Raises:
        JobError: the file is damaged.
    """
    path = Path(output_dir) / INPUTS_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        inputs = [_as_input(item) for item in values["inputs"]]
        return Inputs(inputs, dict(values.get("code") or {}), list(values.get("history") or []))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise JobError(
            f"{path}: cannot be read ({error}), so it is not known what this run was measured on: write another "
            "OUTPUT_DIR, or remove the folder",
            keys=("OUTPUT_DIR",),
        ) from error


def _as_input(item: Mapping[str, Any]) -> Input:
    """An input from the values that this version knows: another version may have written more."""
    known = {one.name for one in fields(Input)}
    values = {key: item[key] for key in item if key in known}
    if values.get("videos") is not None:
        known = {one.name for one in fields(VideoSizes)}
        values["videos"] = VideoSizes(**{key: value for key, value in values["videos"].items() if key in known})
    if values.get("official") is not None:
        values["official"] = as_official_count(values["official"])
    return Input(**values)


def changes(before: Sequence[Input], now: Sequence[Input]) -> list[Change]:
    """The recorded files whose content is another one now. Names of classes that came later, or are gone, are none."""
    present = {item.role: item for item in now}
    return [
        Change(item, present.get(item.role))
        for item in before
        if (item.role in present or Path(item.path).name != CLASS_NAMES_FILE)
        and (item.role not in present or present[item.role].sha256 != item.sha256)
    ]


def _other_videos(before: Sequence[Input], now: Sequence[Input]) -> bool:
    present = {item.role: item.videos for item in now}
    return any(item.videos != (present.get(item.role) or item.videos) for item in before if item.videos)


def changed_inputs(cfg: CfgNode, folder: Path) -> list[Change] | None:
    """The inputs of a finished run whose content is another one now; None if the folder has no record of them."""
    record = read_inputs(folder)
    return None if record is None else changes(record.inputs, measure(cfg))


@functools.cache
def code() -> dict[str, str | None]:
    """The package's version, its commit in a git checkout, and a SHA-256 of its .py files."""
    package = Path(rhovideo.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0{file_sha256(path)}\0".encode())
    return {"version": rhovideo.__version__, "commit": _commit(package.parent), "sha256": digest.hexdigest()}


def _commit(checkout: Path) -> str | None:
    # A package that is installed in a folder below another project's checkout has no .git next to it.
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def described(found: dict[str, str | None]) -> str:
    """The code's version in words: the package's, the commit, and the beginning of the hash."""
    commit = f", commit {str(found['commit'])[:12]}" if found.get("commit") else ""
    return f"rhovideo {found.get('version')}{commit}, sha256 {str(found.get('sha256'))[:12]}"
