"""Programs named like SLURM's that say what the real ones said (SLURM 22.05), for what a test cannot wait for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


class SlurmCommands:
    """A folder at the front of the PATH."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = patch
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        # As on a cluster without accounting.
        self.say("sacct", "", "Slurm accounting storage is disabled", 1)

    def say(self, name: str, stdout: str, stderr: str = "", code: int = 0) -> None:
        """From now on the command prints this."""
        (self._folder / f"{name}.out").write_text(stdout)
        (self._folder / f"{name}.err").write_text(stderr + "\n" if stderr else "")
        self.run(name, f"cat '{self._folder}/{name}.out'; cat '{self._folder}/{name}.err' >&2; exit {code}")

    def run(self, name: str, script: str) -> None:
        """From now on the command is this shell script."""
        path = self._folder / name
        part = path.with_suffix(".part")
        part.write_text(f'#!/bin/sh\necho "$@" >> "{self._folder}/{name}.words"\n{script}\n')
        part.chmod(0o755)
        part.rename(path)

    def take_jobs(self, before: str = "") -> None:
        """From now on sbatch queues whatever it gets, after the shell lines ``before``, and every program is there."""
        self.say("sinfo", "debug\n")
        self.say("squeue", "")
        self.say("srun", "")
        self.say("scancel", "")
        here = f"'{self._folder}'"
        self.run(
            "sbatch",
            f'[ "$1" = --test-only ] && exit 0\nnumber=$(ls {here} | grep -c "^job_")\nnumber=$((17 + number))\n'
            f'cp "$1" {here}/job_$number\n{before}\necho "Submitted batch job $number"',
        )

    def scripts(self) -> list[str]:
        """The sbatch files of the jobs that were queued."""
        return [path.read_text() for path in sorted(self._folder.glob("job_*"))]

    def words(self, name: str) -> list[str]:
        """The arguments of every call."""
        path = self._folder / f"{name}.words"
        return path.read_text().splitlines() if path.exists() else []

    def hide(self) -> None:
        """No SLURM on the PATH."""
        self._patch.setenv("PATH", str(self._folder / "nothing"))
