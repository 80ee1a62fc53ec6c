"""What is refused before anything is queued, as far as it can be seen without SLURM (tests/slurm has the rest)."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rhovideo.config.files.reading import Loaded, load
from rhovideo.config.findings import ConfigError, Problem
from rhovideo.launch.before_start import Start, check_before_start
from rhovideo.launch.plan import Cell, Plan
from rhovideo.launch.slurm.preflight import check_shared_folders
from rhovideo.runs import records
from rhovideo.runs.folder import checkpoint_folder
from rhovideo.runs.lock import held
from tests.configured_runs import write_config

RECORD = records.Job(
    name="a",
    task="pretrain",
    config="a.yaml",
    job_id="17",
    output_dir="",
    slurm_folder="",
    nodes=1,
    tasks_per_node=1,
    submitted=0.0,
)


@pytest.fixture(autouse=True)
def _no_slurm(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")


def _job(tmp_path: Path, output: Path) -> Loaded:
    return load(write_config(tmp_path / "job.yaml", output, "pretrain"))


def problems_of(job: Loaded, resume: bool = False) -> list[Problem]:
    """Everything for which SLURM or the run folder is asked, of a job that is to be queued."""
    start = Start(Plan([Cell("", {}, [job])]), "slurm", resume)
    try:
        check_before_start(start, without=["files", "lists", "the network", "sbatch's own test"])
    except ConfigError as error:
        return error.problems
    return []


def _refusals(job: Loaded, resume: bool = False) -> list[str]:
    """The errors about the run folder."""
    return [str(problem) for problem in problems_of(job, resume) if problem.key == "OUTPUT_DIR"]


def test_without_slurm_a_login_node_is_named(tmp_path):
    [problem] = problems_of(_job(tmp_path, tmp_path / "run"))
    assert "no sbatch and no srun" in str(problem)
    assert "login node" in str(problem)
    assert "--launcher local" in str(problem)


def test_a_new_run_folder_is_tried_and_nothing_is_left_behind(tmp_path):
    job = _job(tmp_path, tmp_path / "new/deep/run")
    before = sorted(tmp_path.rglob("*"))
    assert _refusals(job) == []
    assert sorted(tmp_path.rglob("*")) == before


def test_an_existing_empty_run_folder_stays(tmp_path):
    (tmp_path / "run").mkdir()
    assert _refusals(_job(tmp_path, tmp_path / "run")) == []
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write_is_refused(tmp_path):
    tmp_path.joinpath("closed").mkdir(mode=0o500)
    [refusal] = _refusals(_job(tmp_path, tmp_path / "closed/run"))
    assert "cannot be written to: Permission denied" in refusal


@pytest.mark.parametrize("place", ["file/run", "/proc/run"])
def test_a_folder_that_cannot_be_made_is_refused_with_the_line_that_names_it(tmp_path, place):
    (tmp_path / "file").touch()
    [refusal] = _refusals(_job(tmp_path, tmp_path / place))
    assert f"{place} cannot be written to" in refusal
    assert f"{tmp_path}/job.yaml:13: OUTPUT_DIR" in refusal


def _leave_record(folder: Path) -> None:
    records.write_job(folder, RECORD)


def _leave_checkpoint(folder: Path) -> None:
    checkpoint_folder(folder).mkdir()
    (checkpoint_folder(folder) / "checkpoint_epoch_00003.pyth").touch()


def _leave_results(folder: Path) -> None:
    (folder / "results.json").write_text("{}")


@pytest.mark.parametrize(
    ("leave", "said"),
    [
        (_leave_record, "the record of job 17"),
        (_leave_checkpoint, "checkpoints up to checkpoint_epoch_00003.pyth"),
        (_leave_results, "results.json"),
    ],
)
def test_a_folder_of_an_earlier_run_is_taken_only_to_resume(tmp_path, leave, said):
    (tmp_path / "run").mkdir()
    leave(tmp_path / "run")
    job = _job(tmp_path, tmp_path / "run")
    [refusal] = _refusals(job)
    assert said in refusal
    assert "--resume" in refusal
    assert _refusals(job, resume=True) == []


def test_a_run_that_goes_on_in_another_terminal_is_refused_also_to_resume(tmp_path):
    job = _job(tmp_path, tmp_path / "run")
    with held(tmp_path / "run"):
        [refusal] = _refusals(job, resume=True)
    assert "is running" in refusal
    assert _refusals(job) == []


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/job.json").write_text("{")
    [refusal] = _refusals(_job(tmp_path, tmp_path / "run"), resume=True)
    assert "run/job.json" in refusal


def test_a_folder_of_the_machine_alone_is_warned_of_once(tmp_path):
    shared = _job(tmp_path, Path("/home/somebody/run"))
    local = _job(tmp_path, Path("/tmp/run"))
    [problem] = check_shared_folders([shared, local, replace(local)])
    assert "OUTPUT_DIR: /tmp/run lies in" in str(problem)
    assert problem.severity == "warning"


def test_folders_of_each_machine_are_warned_of_in_one_sentence(tmp_path):
    jobs = [_job(tmp_path, Path(f"/tmp/run{number}")) for number in range(3)]
    [problem] = check_shared_folders(jobs)
    assert "OUTPUT_DIR: /tmp/run0 (and 2 more)" in str(problem)


def test_neither_torch_nor_numpy_is_imported():
    code = "import sys, rhovideo.launch.slurm.preflight; print({'torch', 'numpy'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
