"""The real SLURM that these tests talk to, by its own commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("cluster.sh")
PROGRAMS = ("sbatch", "srun", "slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd")
PACKAGES = "slurm-wlm munge slurmdbd mariadb-server"
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED")


def missing() -> str:
    """Why this machine cannot run a SLURM of its own, and what to do; empty where it can."""
    lacking = [program for program in PROGRAMS if not _which(program)]
    if lacking:
        return f"no {', '.join(lacking)} here: apt-get install {PACKAGES}"
    return "" if os.geteuid() == 0 else "starting SLURM's daemons takes root: run these tests as root"


def _which(program: str) -> str | None:
    # An ordinary user's PATH lacks the folders of the daemons.
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass
class Cluster:
    """Two nodes, node0 and node1, of 4 CPUs each; ``cluster.sh`` tells of its partitions.

    Attributes:
        folder: holds all that belongs to it; its daemons' logs in ``log``.
    """

    folder: Path

    @property
    def conf(self) -> Path:
        return self.folder / "etc/slurm.conf"

    def start(self, accounting: bool = True) -> Cluster:
        """Start it, unless it runs; without accounting ``sacct`` fails."""
        self._script("up", CLUSTER_ACCOUNTING=str(int(accounting)))
        return self

    def stop(self) -> None:
        self._script("down")

    def _script(self, verb: str, **environment: str) -> None:
        done = subprocess.run(
            [SCRIPT, verb, self.folder],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"cluster.sh {verb} {self.folder}:\n{done.stdout}"

    def command(self, *words: object, **popen: Any) -> str:
        """What one of SLURM's commands prints; fails with what it complains of."""
        done = subprocess.run(
            [str(word) for word in words],
            env={**os.environ, "SLURM_CONF": str(self.conf)},
            capture_output=True,
            text=True,
            timeout=120,
            **popen,
        )
        assert done.returncode == 0, f"{words}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def answers(self) -> bool:
        """Whether its controller does."""
        try:
            return "is UP" in self.command("scontrol", "ping")
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            return False

    def submit(self, script: str, *options: object, folder: Path) -> str:
        """Queue a shell script with sbatch's options; its output goes to ``folder/JOBID.out``.

        Returns:
            The job's number.
        """
        file = folder / f"job-{time.monotonic_ns()}.sh"
        file.write_text(f"#!/bin/bash\n{script}\n")
        # Appended to, so that a requeued job keeps what it has said before.
        output = ("--output", folder / "%A.out", "--open-mode=append")
        return self.command("sbatch", "--parsable", *output, *options, file).strip()

    def fields(self, job_id: str) -> dict[str, str]:
        """What ``scontrol show job`` knows of a job or of one task of an array (``17_3``), the ended ones too."""
        words = self.command("scontrol", "-o", "show", "job", job_id).split("\n")[0].split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def state(self, job_id: str) -> str:
        return self.fields(job_id)["JobState"]

    def restarts(self, job_id: str) -> int:
        """How many times the job was requeued."""
        return int(self.fields(job_id)["Restarts"])

    def queue(self) -> list[dict[str, str]]:
        """The rows of squeue, one for each task of an array: id, name, partition, state, nodes, reason."""
        lines = self.command("squeue", "-h", "-r", "-o", "%i|%j|%P|%T|%N|%r").splitlines()
        names = ("id", "name", "partition", "state", "nodes", "reason")
        return [dict(zip(names, line.split("|"), strict=True)) for line in lines]

    def hurry(self, job_id: str, seconds: float = 60) -> None:
        """Let a requeued job start at once, which SLURM holds for two minutes; ``17_3`` is one task of an array."""

        def pending() -> bool:
            # While it still completes, SLURM knows no time at which it may start.
            return self.state(job_id) == "PENDING"

        self.wait_until(f"job {job_id} waits in the queue again", pending, seconds)
        # The nodes refuse, in the same second, the credential that the requeue has just revoked.
        time.sleep(2)
        self.command("scontrol", "update", f"JobId={job_id}", "StartTime=now")

    def interrupt(self, job_id: str, signal: str = "USR2") -> None:
        """The signal that SLURM sends before preemption or the time limit, to the job's steps."""
        self.command("scancel", f"--signal={signal}", job_id)

    def preempt(self, *, folder: Path, seconds: float = 1) -> str:
        """Take both nodes for a job in ``urgent``: jobs in ``preempted`` and ``abrupt`` are requeued.

        Returns:
            The number of that job, which ends after ``seconds``.
        """
        return self.submit(f"sleep {seconds}", "-p", "urgent", "-N2", "--exclusive", "-J", "urgent", folder=folder)

    def cancel_all(self) -> None:
        """Cancel every job and wait until none is left."""
        jobs = [row["id"] for row in self.queue()]
        if jobs:
            self.command("scancel", "--quiet", *jobs)
        self.wait_until("no job is left", lambda: not self.queue(), 60)

    def wait_for_state(self, job_id: str, *states: str, seconds: float = 60, show: Sequence[Path] = ()) -> str:
        """Wait until the job is in one of these states; fails at once where it has ended in another."""

        def reached() -> str:
            state = self.state(job_id)
            assert state in states or state not in ENDED, f"job {job_id}: {state}\n{self.report(show)}"
            return state if state in states else ""

        return self.wait_until(f"job {job_id} is {' or '.join(states)}", reached, seconds, show)

    def wait_until(
        self, what: str, condition: Callable[[], Any], seconds: float = 60, show: Sequence[Path] = ()
    ) -> Any:
        """Ask for a condition until it holds, and return its value.

        Args:
            what: is waited for, for the message.
            condition: its value is taken as true or false.
            seconds: to wait at most.
            show: files, or folders of files, whose ends are part of the message.
        """
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}\n{self.report(show)}")
            time.sleep(0.2)

    def report(self, show: Sequence[Path] = ()) -> str:
        """The queue, the jobs that SLURM remembers, and the ends of its logs and of the files in ``show``."""
        files = [file for path in show for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
        parts = [self._said("squeue"), self._said("sinfo", "-N"), self._said("scontrol", "-o", "show", "jobs")]
        logs = [self.folder / "log" / f"{name}.log" for name in ("slurmctld", "node0", "node1")]
        parts += [_tail(file) for file in [*files, *logs] if file.is_file()]
        return "\n".join(parts)

    def _said(self, *words: str) -> str:
        try:
            return f"--- {' '.join(words)}\n{self.command(*words)}"
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return f"--- {error}"


def _tail(file: Path, lines: int = 30) -> str:
    text = file.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join([f"--- the end of {file}", *text])
