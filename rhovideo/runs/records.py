"""The records that a launcher leaves in a run folder, for `rhovideo status` and for the job's next attempt.

``job.json``        the job as it was submitted, written whole
``attempts.jsonl``  events, one a line, when an attempt starts, when it is stopped, when it ends; all have ``event``,
                    ``attempt`` (from 1) and ``time`` (seconds since 1970):
                    ``start``: ``job_id``, ``nodes``, ``progress`` ([epoch, step] of the checkpoint it goes on from)
                    ``stopped``: ``reason``; a checkpoint was written since it was asked to stop. A run in a terminal
                    leaves these alone, without ``attempt``
                    ``succeeded``: the results are there, of this attempt or of an earlier one of this very run
                    ``end``: ``job_id``, ``exit_code``, ``outcome`` (FINISHED, STOPPED, FAILED or CANCELLED),
                    ``requeued``, ``why``, ``progress``
``cancelled``       there while the job is cancelled: it must not be requeued

A study's folder holds ``study.json``. Everything here is read and written without torch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rhovideo.atomic_files import append_line, write_text
from rhovideo.errors import JobError
from rhovideo.json_records import record_from
from rhovideo.runs.folder import CONFIG_FILE, STATS_FILE

JOB_FILE = "job.json"
ATTEMPTS_FILE = "attempts.jsonl"
CANCELLED_FILE = "cancelled"

# The outcomes of an attempt.
FINISHED = "finished"
STOPPED = "stopped"
FAILED = "failed"
CANCELLED = "cancelled"
STUDY_FILE = "study.json"

# Levels below a folder at which runs are looked for.
_DEEPEST = 4

# The keys that each event has for certain.
_EVENT_KEYS = {
    "start": {"attempt", "job_id", "time", "progress"},
    "stopped": {"reason"},
    "end": {"attempt", "job_id", "time", "outcome"},
}


@dataclass(frozen=True)
class Job:
    """A job as it was submitted.

    Attributes:
        name: as the queue shows it.
        task: the TASK.
        config: the file as it was named on the command line.
        job_id: SLURM's, ``"17"`` or ``"17_3"`` in an array.
        output_dir: the run folder, absolute.
        slurm_folder: submitit's folder, absolute; it holds the logs.
        nodes: machines.
        tasks_per_node: processes of each.
        submitted: seconds since 1970.
        depends_on: the job that must succeed first, empty without.
        earlier_ids: of earlier submissions into this folder, the oldest first.
    """

    name: str
    task: str
    config: str
    job_id: str
    output_dir: str
    slurm_folder: str
    nodes: int
    tasks_per_node: int
    submitted: float
    depends_on: str = ""
    earlier_ids: list[str] = field(default_factory=list)

    @property
    def ranks(self) -> int:
        """Processes of all machines together."""
        return self.nodes * self.tasks_per_node


@dataclass(frozen=True)
class StudyCell:
    """One combination of a study.

    Attributes:
        name: of its folder; empty without a sweep.
        values: swept keys and this cell's values.
        jobs: its run folders, relative to the study, in the chain's order.
    """

    name: str
    values: dict[str, str]
    jobs: list[str]


@dataclass(frozen=True)
class Study:
    """The chains of runs that one command has started with ``--study``.

    Attributes:
        created: seconds since 1970.
        cells: in the order of the product.
        sweep: swept keys and their values; empty without a sweep.
    """

    created: float
    cells: list[StudyCell]
    sweep: dict[str, list[str]] = field(default_factory=dict)


def read_job(folder: str | Path) -> Job | None:
    """The job that was submitted into a run folder, None if none was."""
    path = Path(folder) / JOB_FILE
    values = _read(path)
    try:
        return None if values is None else record_from(Job, values)
    except TypeError as error:
        raise _damaged(path, error) from error


def write_job(folder: str | Path, job: Job) -> None:
    """Write the record of a submitted job into its run folder."""
    write_text(Path(folder) / JOB_FILE, json.dumps(asdict(job), indent=2) + "\n")


def read_study(folder: str | Path) -> Study | None:
    """The study in a folder, None if there is none."""
    path = Path(folder) / STUDY_FILE
    values = _read(path)
    try:
        return None if values is None else record_from(Study, values)
    except TypeError as error:
        raise _damaged(path, error) from error


def write_study(folder: str | Path, study: Study) -> None:
    """Write the record of a study into its folder."""
    write_text(Path(folder) / STUDY_FILE, json.dumps(asdict(study), indent=2) + "\n")


def read_attempts(folder: str | Path) -> list[dict[str, Any]]:
    """The events of a run folder, the oldest first; a line that was cut off or damaged is left out."""
    try:
        lines = (Path(folder) / ATTEMPTS_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    events = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.keys() >= _EVENT_KEYS.get(str(event.get("event")), {"event"}):
            events.append(event)
    return events


def append_attempt(folder: str | Path, event: dict[str, Any]) -> None:
    """Add one event to a run folder, as a line."""
    append_line(Path(folder) / ATTEMPTS_FILE, json.dumps(event))


def run_folders(path: str | Path, below: bool = False) -> list[Path]:
    """The run folders of a study in the order of its cells and chains, or the one run folder that ``path`` is.

    Args:
        path: the folder.
        below: also accept a folder that holds runs or studies, some levels deep, such as outputs.

    Raises:
        JobError: it is neither.
    """
    folder = Path(path)
    study = read_study(folder)
    if study is not None:
        return [folder / job for cell in study.cells for job in cell.jobs]
    if is_run(folder):
        return [folder]
    runs = _runs_below(folder) if below else []
    if runs:
        return runs
    wrong = "there is no such folder" if not folder.exists() else "neither a run's folder nor a study's"
    if folder.is_file():
        wrong = "a file, and not the folder of a run or a study"
    raise JobError(f"{folder}: {wrong}. Write the OUTPUT_DIR of a run, or the folder given as --study")


def _runs_below(folder: Path, depth: int = _DEEPEST) -> list[Path]:
    """The run folders in a folder, some levels deep; a study's in its own order. Nothing is looked for inside a run."""
    try:
        below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []
    runs: list[Path] = []
    for path in below:
        if is_run(path) or (path / STUDY_FILE).exists():
            runs += run_folders(path)
        elif depth > 1 and not path.is_symlink():
            runs += _runs_below(path, depth - 1)
    return runs


def is_run(folder: Path) -> bool:
    """True if a run has begun in a folder, or a job for it waits in a queue."""
    return any((folder / name).exists() for name in (JOB_FILE, CONFIG_FILE, STATS_FILE, "checkpoints"))


def _read(path: Path) -> Any:
    """The content of a JSON file; None if there is no file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {} if values is None else values
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> JobError:
    return JobError(f"{path}: cannot be read ({error}); remove it if it is damaged")
