from __future__ import annotations

import pytest

from tests.launch.slurm_commands import SlurmCommands


@pytest.fixture
def slurm(tmp_path_factory, monkeypatch) -> SlurmCommands:
    """What squeue, sacct, scancel and sinfo say."""
    return SlurmCommands(tmp_path_factory.mktemp("slurm-commands"), monkeypatch)


@pytest.fixture
def submitting(slurm) -> SlurmCommands:
    """SLURM's programs, whose sbatch takes every job: 17, then 18, ... and keeps the files."""
    slurm.take_jobs()
    return slurm


@pytest.fixture
def videos(jobs_folder):
    """A folder from which jobs pass all checks."""
    (jobs_folder / "a.mp4").touch()
    for task in ("pretrain", "linear", "test"):
        path = jobs_folder / f"{task}.yaml"
        path.write_text(path.read_text() + "RESNET: {WIDTH_PER_GROUP: 4}\n")
    return jobs_folder
