"""Requests of a job to SLURM: the SLURM section, the user's defaults, and sbatch's parameters.

Values are taken, the later ones winning, from the user's ``cluster.yaml`` (:func:`cluster_file`), the configuration's
SLURM section, and the command line. :func:`resolve_slurm` makes them agree with NUM_SHARDS, NUM_GPUS and
NUM_CPU_PROCESSES, which the batch and the learning rate follow.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.findings import COMMAND_LINE, Finding, Origin
from rhovideo.config.keys import get_value, leaves, set_value
from rhovideo.config.schema import definitions

TIME_EXAMPLES = "minutes (90), hours:minutes:seconds (4:00:00) or days-hours:minutes:seconds (1-00:00:00)"

# sbatch's options that have a key here, and what to write for them.
_OWN = {
    key.sbatch: f"{key.flag} or {key.name}" if key.flag else key.name for key in definitions().values() if key.sbatch
}
# Those that decide how a job is started, requeued and read afterwards.
_NOT_FOR_USERS = (
    *("array", "output", "error", "open-mode", "input", "requeue", "no-requeue"),
    *("wrap", "wait", "parsable", "test-only", "chdir"),
)
# Without them a job's output, or the jobs of an array, would not be found.
_NOT_TO_DROP = ("array", "output", "error")
# Those that a script has besides what was asked for.
_WRITTEN_BY_ITSELF = ("requeue", "open-mode", "dependency", "kill-on-invalid-dep")
# Other ways to ask for memory; they replace --mem.
_MEMORY_OPTIONS = ("mem-per-cpu", "mem-per-gpu")
# Other ways to ask for GPUs; they replace --gpus-per-node where a cluster wants them.
_GPU_OPTIONS = ("gpus", "gpus-per-task", "gpus-per-socket")


@dataclass(frozen=True)
class _Pair:
    """A key of the job and the key of SLURM that mean the same; ``unset`` of the latter says "not given"."""

    job: str
    slurm: str
    unset: int


_NODES = _Pair("NUM_SHARDS", "SLURM.NODES", 0)
_GPUS = _Pair("NUM_GPUS", "SLURM.GPUS_PER_NODE", -1)
_CPU_TASKS = _Pair("NUM_CPU_PROCESSES", "SLURM.TASKS_PER_NODE", 0)


def cluster_file() -> Path:
    """The path of the user's defaults for the cluster, whether it exists or not: ``~/.config/rhovideo/cluster.yaml``.

    It holds the SLURM section's keys without the section's name, such as ``PARTITION: gpu``.
    """
    home = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    return Path(home) / "rhovideo" / "cluster.yaml"


def resolve_slurm(cfg: CfgNode, given: dict[str, Origin], notes: list[str], cluster: str = "") -> list[Finding]:
    """Make the SLURM section and the job's own counts agree, in place.

    Where both are written, the command line wins over the file, and the file over the user's defaults. Afterwards
    SLURM.NODES = NUM_SHARDS >= 1, and SLURM.TASKS_PER_NODE >= 1 is NUM_GPUS or, on the CPU, NUM_CPU_PROCESSES.

    Args:
        cfg: a configuration that is not frozen.
        given: the keys that were written, and where; a key that follows another one gets its origin.
        notes: a sentence is added for each value that lost.
        cluster: the user's file as it is named in ``given``.

    Returns:
        What sbatch would refuse or what cannot be meant.
    """
    findings = list(_malformed(cfg))
    agreement = _Agreement(cfg, given, notes, cluster)
    findings += agreement.make(_NODES)
    findings += agreement.make(_GPUS)
    findings += _dropped(cfg.SLURM.DROP, [_argument(entry)[0] for entry in cfg.SLURM.ARGS])
    if cfg.NUM_GPUS < 0:
        findings += [_no_gpus_given(cfg)] if cfg.NUM_GPUS == -1 else []
    elif cfg.NUM_GPUS > 0:
        findings += agreement.one_task_a_gpu()
    else:
        findings += agreement.make(_CPU_TASKS)
    return findings + list(_number_of_tasks(cfg))


class _Agreement:
    """Two keys for one thing: the one that wins, and the note about it."""

    def __init__(self, cfg: CfgNode, given: dict[str, Origin], notes: list[str], cluster: str) -> None:
        self.cfg, self.given, self.notes, self.cluster = cfg, given, notes, cluster

    def _level(self, key: str) -> int:
        """0: the user's defaults, 1: a file, 2: the command line."""
        origin = self.given[key]
        return 2 if origin == COMMAND_LINE else int(origin.file != self.cluster)

    def make(self, pair: _Pair) -> list[Finding]:
        job, slurm = get_value(self.cfg, pair.job), get_value(self.cfg, pair.slurm)
        if slurm < pair.unset:
            return []  # out of range, which another check reports
        if slurm == pair.unset or pair.slurm not in self.given:
            if job >= 0:
                self._follow(pair.slurm, pair.job)
            return []
        if pair.job not in self.given or job == -1 or job == slurm:
            self._follow(pair.job, pair.slurm)
            return []
        levels = self._level(pair.job), self._level(pair.slurm)
        if levels == (2, 2):
            wrong = f"{slurm}, and {pair.job} is {job}: they are the same number"
            return [Finding((pair.slurm, pair.job), wrong, "one of them")]
        winner, loser = (pair.job, pair.slurm) if levels[0] > levels[1] else (pair.slurm, pair.job)
        self._note(winner, loser)
        self._follow(loser, winner)
        return []

    def one_task_a_gpu(self) -> list[Finding]:
        gpus, tasks = self.cfg.NUM_GPUS, self.cfg.SLURM.TASKS_PER_NODE
        key = "SLURM.TASKS_PER_NODE"
        if tasks > 0 and tasks != gpus and key in self.given:
            if self._level(key) > 0:
                wrong = f"{tasks} tasks a node, and {gpus} GPUs: each GPU is driven by one task"
                remedy = "no --tasks-per-node for GPUs, or --gpus-per-node 0 to run on the CPU"
                return [Finding((key, "SLURM.GPUS_PER_NODE", "NUM_GPUS"), wrong, remedy)]
            self._note("NUM_GPUS", key)
        if tasks >= 0:
            self.cfg.SLURM.TASKS_PER_NODE = gpus
        return []

    def _follow(self, follower: str, leader: str) -> None:
        set_value(self.cfg, follower, get_value(self.cfg, leader))
        if leader in self.given:
            self.given[follower] = self.given[leader]

    def _note(self, winner: str, loser: str) -> None:
        value, other = get_value(self.cfg, winner), get_value(self.cfg, loser)
        place = self.given.get(winner, "")
        self.notes.append(f"{winner} {value} ({place}) wins over {loser} {other} ({self.given[loser]})")


def _no_gpus_given(cfg: CfgNode) -> Finding:
    tasks = cfg.SLURM.TASKS_PER_NODE or 4
    wrong = "the number of GPUs of a node is not given: -1 (all) becomes a number only once the job has started"
    remedy = f"--gpus-per-node N; on CPU-only nodes --gpus-per-node 0 --tasks-per-node {tasks}"
    return Finding(("NUM_GPUS", "SLURM.GPUS_PER_NODE"), wrong, remedy)


def _malformed(cfg: CfgNode) -> Iterator[Finding]:
    slurm = cfg.SLURM
    for name, value in leaves(slurm):
        lines = value if name == "ARGS" else [value]
        if any(isinstance(line, str) and "\n" in line for line in lines):
            yield Finding(
                (f"SLURM.{name}",), "holds a line break, and sbatch reads an option from one line", "one line"
            )
    if any(sign in cfg.OUTPUT_DIR for sign in "%\\\n"):
        wrong = f"{cfg.OUTPUT_DIR!r} holds a sign that SLURM reads as something else in a path (%, \\, a line break)"
        yield Finding(("OUTPUT_DIR",), wrong, "a folder without it")
    yield from _time(slurm)
    yield from _memory(slurm.MEM)
    yield from _arguments(slurm.ARGS)


def _time(slurm: CfgNode) -> Iterator[Finding]:
    grace = ("SLURM.GRACE_SECONDS", "SLURM.TIME")
    if slurm.GRACE_SECONDS > 65535:
        yield Finding(grace, f"{slurm.GRACE_SECONDS} seconds are more than sbatch can count", "65535 or less")
    if not slurm.TIME:
        return
    try:
        seconds = time_limit(slurm.TIME)
    except ValueError:
        yield Finding(("SLURM.TIME",), f"{slurm.TIME!r} is not a time limit (--time)", TIME_EXAMPLES)
        return
    if seconds is not None and seconds <= slurm.GRACE_SECONDS:
        wrong = f"{slurm.TIME} is {seconds} seconds, and the job is to stop {slurm.GRACE_SECONDS} seconds before"
        yield Finding(grace[::-1], wrong, f"{TIME_EXAMPLES}, or less SLURM.GRACE_SECONDS")


def time_limit(text: str) -> int | None:
    """The seconds of sbatch's ``--time``; None for no limit.

    Raises:
        ValueError: sbatch would not read it.
    """
    if text.lower() in ("infinite", "unlimited", "0"):
        return None
    days, dash, rest = text.rpartition("-")
    numbers = [int(number) if re.fullmatch(r"\d+", number) else -1 for number in rest.split(":")]
    if min(numbers) < 0 or len(numbers) > 3 or (dash and not days.isdecimal()):
        raise ValueError(text)
    if dash:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, minutes, seconds = 0, *[*numbers, 0][:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def _memory(text: str) -> Iterator[Finding]:
    match = re.fullmatch(r"(\d+)([KMGT]?)B?", text.upper())
    if text and not match:
        yield Finding(
            ("SLURM.MEM",), f"{text!r} is not an amount of memory (--mem)", "a number and a unit, such as 64G"
        )
    elif match and not match[2] and 0 < int(match[1]) < 1024:
        wrong = f"sbatch reads a number without a unit as megabytes, so {text} is very little"
        yield Finding(("SLURM.MEM",), wrong, f"{text}G, or {text}M if that is meant")


def _arguments(entries: list[str]) -> Iterator[Finding]:
    key = "SLURM.ARGS"
    for entry in entries:
        name = _argument(entry)[0]
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            yield Finding(
                (key,), f"{entry!r} is not an option of sbatch", "key=value, such as reservation=video, or key"
            )
        elif name in _OWN:
            yield Finding((key,), f"{entry!r}: {name} has its own key", _OWN[name])
        elif name in _NOT_FOR_USERS:
            yield Finding((key,), f"{entry!r}: rhovideo sets {name} itself, to find and requeue its jobs", "nothing")


def _dropped(options: list[str], asked: Collection[str]) -> Iterator[Finding]:
    key, written = ("SLURM.DROP",), sorted({*_OWN, *asked, *_WRITTEN_BY_ITSELF})
    for option in options:
        name = option.removeprefix("--")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            yield Finding(key, f"{option!r} is not the name of an option of sbatch", "such as ntasks-per-node")
        elif name in _NOT_TO_DROP:
            yield Finding(key, f"{name} cannot be left out: jobs and their output are found by it", "nothing")
        elif name not in written:
            near = difflib.get_close_matches(name, written, 1) or [f"one of {', '.join(written)}"]
            yield Finding(key, f"no script of ours has the option {name}", near[0])


def _number_of_tasks(cfg: CfgNode) -> Iterator[Finding]:
    """A site may demand --ntasks; it is then the number that the job has anyway."""
    wanted = cfg.SLURM.NODES * cfg.SLURM.TASKS_PER_NODE
    for entry in cfg.SLURM.ARGS:
        name, value = _argument(entry)
        if name == "ntasks" and value not in ("", str(wanted)) and wanted > 0:
            wrong = f"{entry!r}, and SLURM.NODES times SLURM.TASKS_PER_NODE is {wanted}"
            yield Finding(("SLURM.ARGS", "SLURM.NODES", "SLURM.TASKS_PER_NODE"), wrong, f"ntasks={wanted}")


def dropped_options(cfg: CfgNode) -> list[str]:
    """The options of sbatch that a job's script does without, by SLURM.DROP."""
    return [option.removeprefix("--") for option in cfg.SLURM.DROP]


def _argument(entry: str) -> tuple[str, str | bool]:
    """Name and value of an entry of SLURM.ARGS; a flag's value is True. Empty: the option is left out."""
    name, equals, value = entry.strip().partition("=")
    return name.strip().removeprefix("--").replace("_", "-"), value.strip() if equals else True


def sbatch_parameters(cfg: CfgNode) -> dict[str, Any]:
    """The requests of a job, as keywords of submitit's ``SlurmExecutor.update_parameters``.

    Only what is given: the cluster's defaults hold for the rest. The job's name, its array and the lines around srun
    are the launcher's to add.

    Args:
        cfg: loaded for SLURM, see :func:`resolve_slurm`.
    """
    slurm = cfg.SLURM
    arguments = dict(_argument(entry) for entry in slurm.ARGS)
    wanted = {
        "partition": slurm.PARTITION,
        "account": slurm.ACCOUNT,
        "qos": slurm.QOS,
        "nodes": slurm.NODES,
        "ntasks_per_node": slurm.TASKS_PER_NODE,
        "gpus_per_node": 0 if _asks_for_gpus(arguments) else slurm.GPUS_PER_NODE,
        "cpus_per_task": slurm.CPUS_PER_TASK,
        "mem": "" if any(arguments.get(name) for name in _MEMORY_OPTIONS) else slurm.MEM,
        "constraint": slurm.CONSTRAINT,
        "exclude": slurm.EXCLUDE,
        "comment": slurm.COMMENT,
    }
    additional: dict[str, Any] = {"requeue": True}
    if slurm.TIME:
        additional["time"] = slurm.TIME
    additional |= {name: value for name, value in arguments.items() if value != ""}
    return {
        **{name: value for name, value in wanted.items() if value},
        "signal_delay_s": slurm.GRACE_SECONDS,
        # submitit would ask for five minutes and its own accounting key.
        "time": _whole_minutes(slurm.TIME),
        "wckey": None,
        "additional_parameters": additional,
    }


def _asks_for_gpus(arguments: dict[str, str | bool]) -> bool:
    by_gres = any("gpu" in str(arguments.get(name, "")) for name in ("gres", "tres-per-node", "tres-per-task"))
    return by_gres or any(arguments.get(name) for name in _GPU_OPTIONS)


def _whole_minutes(text: str) -> int | None:
    seconds = time_limit(text) if text else None
    return None if seconds is None else -(-seconds // 60)
