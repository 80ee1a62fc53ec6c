"""The submissions of a plan on SLURM: one for each place of the chain, an array where there are several cells.

Imports neither torch nor submitit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.extension.plugins import local_sources
from rhovideo.config.files.reading import Loaded
from rhovideo.config.slurm_options import dropped_options, sbatch_parameters
from rhovideo.launch.plan import Plan
from rhovideo.launch.slurm import submitit_adapter
from rhovideo.launch.slurm.script_text import script_lines


@dataclass(frozen=True)
class Stage:
    """One submission: the jobs at one place of the chain, of all cells.

    Attributes:
        number: its place in the chain, from 0.
        name: as the queue shows it.
        part: the number of the array, from 0: a cluster has a largest array, and more cells are several.
        parts: arrays of the submission.
        chains: the chains that have a job at ``number``. Where chains differ in length the longest come first, so that
            the jobs of each array are the first ones of the array before.
        slurm_folder: for submitit's files. In a study each submission has its own, since jobs of an earlier one may
            still wait, and look there when they start.
        code_folder: for copies of the code.
    """

    number: int
    name: str
    part: int
    parts: int
    chains: list[list[Loaded]]
    slurm_folder: Path
    code_folder: Path

    @property
    def jobs(self) -> list[Loaded]:
        return [chain[self.number] for chain in self.chains]

    @property
    def run_folders(self) -> list[Path]:
        return [Path(job.cfg.OUTPUT_DIR).absolute() for job in self.jobs]

    @property
    def cfg(self) -> CfgNode:
        """The configuration that asks for the resources; the jobs of a stage all ask for the same."""
        return self.jobs[0].cfg

    @property
    def plugins(self) -> list[Path]:
        """The files and packages that the plugins of the stage's jobs are, as far as they are copied with the code."""
        return local_sources(dict.fromkeys(name for job in self.jobs for name in job.cfg.PLUGINS))

    def parameters(self, code: Path, dependency: str = "") -> dict[str, Any]:
        """The parameters for submitit.

        Args:
            code: the copy of the package that the jobs are to run.
            dependency: as for sbatch.
        """
        before, after = script_lines(sys.executable, code, self.slurm_folder, self.cfg.SLURM.SETUP)
        parameters = sbatch_parameters(self.cfg)
        additional = parameters.pop("additional_parameters", {})
        if dependency:
            additional |= {"dependency": dependency, "kill-on-invalid-dep": "yes"}
        return {
            **parameters,
            "job_name": self.name,
            "setup": before,
            "teardown": after,
            "srun_args": _srun_words(self.cfg),
            "array_parallelism": self._jobs_at_a_time,
            "additional_parameters": additional,
        }

    @property
    def _jobs_at_a_time(self) -> int:
        """The arrays of a submission share SLURM.MAX_JOBS."""
        most = self.cfg.SLURM.MAX_JOBS
        share = most // self.parts + (self.part < most % self.parts)
        return max(1, share) if most else len(self.jobs)

    @property
    def requested(self) -> set[str]:
        """The names of sbatch's options that the stage asks for."""
        return submitit_adapter.requested_options(sbatch_parameters(self.cfg), self.dropped)

    @property
    def dropped(self) -> list[str]:
        """The names of sbatch's options that the script does without."""
        return dropped_options(self.cfg)

    def script(self, code: Path, dependency: str = "") -> str:
        """The text of the sbatch file.

        Args:
            code: the folder of the code's copy, as for :meth:`parameters`.
            dependency: the jobs to wait for, as for :meth:`parameters`.
        """
        parameters = self.parameters(code, dependency)
        return submitit_adapter.sbatch_text(self.slurm_folder, parameters, len(self.jobs), self.dropped)

    def dependency(self, earlier: Sequence[str]) -> str:
        """To wait for the stage before, whose jobs are ``earlier``; the first of them belong to this stage's chains."""
        if len(self.jobs) == 1:
            return f"afterok:{earlier[0]}"
        # aftercorr lets each job of an array wait for its own cell alone.
        return f"aftercorr:{earlier[0].rpartition('_')[0]}"


def stages_of(plan: Plan, largest_array: int | None = None) -> list[Stage]:
    """The stages of the next submission of a plan, in the order of the chain, part after part. Nothing is made.

    Args:
        plan: cells and their chains, those with the longest chains first.
        largest_array: jobs that an array may have; None: any number.
    """
    chains = [cell.jobs for cell in plan.cells]
    if sorted(map(len, chains), reverse=True) != list(map(len, chains)):
        raise ValueError("the longest chains come first")
    submission = next_submission(plan.study) if plan.study else None
    size = largest_array or len(chains)
    parts = [chains[first : first + size] for first in range(0, len(chains), size)]
    return [stage for part in range(len(parts)) for stage in _of_part(parts, part, submission)]


def _of_part(parts: Sequence[list[list[Loaded]]], part: int, submission: Path | None) -> Iterator[Stage]:
    chains = parts[part]
    for number, job in enumerate(chains[0]):
        own = [chain for chain in chains if len(chain) > number]
        stem = Path(job.file).stem
        # Absolute: SLURM starts the script in the folder of the submission, and a later shell may be anywhere.
        if submission is None:
            base = Path(job.cfg.OUTPUT_DIR).absolute()
            folders = base / "slurm", base / "code"
        else:
            name = f"{number + 1}_{stem}" + (f"_part{part + 1}" if len(parts) > 1 else "")
            folders = submission / name, submission.parent / "code"
        yield Stage(number, job.cfg.SLURM.NAME or stem, part, len(parts), own, *folders)


def next_submission(study: Path) -> Path:
    """The folder of a study's next submission; they are numbered."""
    folder = study.absolute() / "submissions"
    taken = [int(path.name) for path in folder.glob("*") if path.name.isdecimal()]
    return folder / str(max(taken, default=0) + 1)


def _srun_words(cfg: CfgNode) -> list[str]:
    # A rank that leaves without the others must not keep them waiting. A site, or --export=NONE of the job, may keep
    # the script's variables from the ranks.
    words = ["--kill-on-bad-exit=1", "--wait=60", "--export=ALL"]
    if not {"nodes", "ntasks-per-node"}.isdisjoint(dropped_options(cfg)):
        nodes, tasks = cfg.SLURM.NODES, cfg.SLURM.TASKS_PER_NODE
        words += [f"--nodes={nodes}", f"--ntasks={nodes * tasks}", f"--ntasks-per-node={tasks}"]
    if cfg.SLURM.CPUS_PER_TASK:
        # Since 22.05 srun no longer takes it over from sbatch.
        words.append(f"--cpus-per-task={cfg.SLURM.CPUS_PER_TASK}")
    return words
