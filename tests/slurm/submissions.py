"""Runs that are submitted from the command line to the cluster of these tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rhovideo.engine.log.json_stats import read_json_stats
from rhovideo.runs.folder import progress
from rhovideo.runs.records import Job, read_attempts, read_job
from tests.configured_runs import ROOT
from tests.slurm.cluster import Cluster

# A job of four ranks on two cores takes half a minute to its first step.
PATIENCE = 240


def rhovideo(*words: object, check: bool = True, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """``tools/run_net.py``, as a user starts it in the checkout."""
    return _finish([sys.executable, ROOT / "tools/run_net.py", *words], words, check, env)


def study(*words: object) -> subprocess.CompletedProcess:
    """``rhovideo study``."""
    return _finish([sys.executable, "-m", "rhovideo.cli", "study", *words], words)


def _finish(
    command: list[object], words: tuple[object, ...], check: bool = True, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", **(env or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert not check or done.returncode == 0, f"{words}:\n{done.stdout}{done.stderr}"
    return done


def submit(
    configs: list[Path], *words: object, nodes: int = 2, tasks: int = 2, partition: str = "debug", time: str = "30"
) -> None:
    """Queue a call's jobs."""
    resources = ["--nodes", nodes, "--tasks-per-node", tasks, "--partition", partition, "--time", time]
    rhovideo("--cfg", *configs, *words, "--launcher", "slurm", *resources)


@dataclass
class Run:
    """A run folder, and the cluster that its job is on."""

    cluster: Cluster
    folder: Path

    @property
    def job(self) -> Job:
        return read_job(self.folder)

    def losses(self) -> list[float]:
        """Of every step, in order."""
        lines = read_json_stats(self.folder / "json_stats.log")
        return [line["loss"] for line in lines if line["_type"] == "train_iter"]

    def steps(self) -> int:
        return len(self.losses()) if (self.folder / "json_stats.log").exists() else 0

    def attempts(self, event: str) -> list[dict]:
        return [line for line in read_attempts(self.folder) if line["event"] == event]

    def wait_for_steps(self, count: int) -> None:
        self.wait(f"{count} steps", lambda: self.steps() >= count)

    def wait_for_checkpoint(self) -> None:
        self.wait("a checkpoint", lambda: progress(self.folder) > (0, 0))

    def wait_for_attempt(self, number: int) -> None:
        """Wait for the end of the attempt before, cut SLURM's pause short, and wait for this one to start."""
        self.wait(f"the end of attempt {number - 1}", lambda: self.cluster.state(self.job.job_id) != "RUNNING")
        self.cluster.hurry(self.job.job_id)
        self.wait(f"attempt {number}", lambda: len(self.attempts("start")) >= number)

    def wait_for_results(self) -> None:
        self.wait("results", lambda: (self.folder / "results.json").exists() and self.ended())

    def ended(self) -> bool:
        return self.cluster.state(self.job.job_id) in ("COMPLETED", "FAILED", "CANCELLED")

    def wait(self, what: str, condition) -> None:
        logs = Path(self.job.slurm_folder) if self.job else self.folder
        self.cluster.wait_until(f"{self.folder.name}: {what}", condition, PATIENCE, [logs])


def ranks_of(folder: Path) -> dict[int, int]:
    """Process numbers of a job's ranks, by rank."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        # Not the shell around it.
        if command[0] != b"sh" and b"submitit.core._submit" in command and str(folder).encode() in b" ".join(command):
            ranks = [word.removeprefix(b"SLURM_PROCID=") for word in environment if word.startswith(b"SLURM_PROCID=")]
            if ranks:
                found[int(ranks[0])] = int(entry.name)
    return found


def seconds_since(moment: float) -> float:
    return time.monotonic() - moment
