"""Submissions from inside of other jobs, and at sites with rules of their own; on a real SLURM."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tests.configured_runs import ROOT, write_config
from tests.slurm.submissions import Run, rhovideo, submit


@pytest.fixture
def pretraining(tmp_path, synthetic_set) -> tuple[Path, list]:
    """A configuration of 3 steps, and its overrides."""
    config = write_config(tmp_path / "pretrain.yaml", tmp_path / "pretrain", "pretrain")
    words = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "TRAIN.BATCH_SIZE", 8, "SOLVER.MAX_EPOCH", 1]
    return config, [*words, "TRAIN.EVAL_PERIOD", 0]


def submission(config, words, *more) -> list[str]:
    """The command that queues a job of one rank."""
    whole = [sys.executable, ROOT / "tools/run_net.py", "--cfg", config, *words, "--launcher", "slurm", "--nodes", 1]
    return [str(word) for word in [*whole, "--tasks-per-node", 1, "--partition", "debug", "--time", 30, *more]]


def test_from_an_allocation_with_memory_for_each_core(cluster, tmp_path, pretraining):
    command = submission(*pretraining, "--mem", "1G")
    cluster.command("salloc", "--mem-per-cpu=200M", "-n1", "-t", 10, *command, cwd=ROOT)
    job = Run(cluster, tmp_path / "pretrain")
    job.wait("the end of the job", job.ended)
    assert [event["outcome"] for event in job.attempts("end")] == ["finished"]


def test_from_a_task_of_an_array(cluster, tmp_path, pretraining):
    script = f"cd {shlex.quote(str(ROOT))}\nexec {shlex.join(submission(*pretraining))}"
    outer = cluster.submit(script, "--array=3", folder=tmp_path)
    job = Run(cluster, tmp_path / "pretrain")
    cluster.wait_until("the submission from the array", lambda: job.job is not None, 240, [tmp_path])
    job.wait("the end of the job", job.ended)
    assert job.job.job_id != outer
    (start,) = job.attempts("start")
    assert start["job_id"] == job.job.job_id
    assert [event["outcome"] for event in job.attempts("end")] == ["finished"]


def test_without_the_environment_of_the_submission(cluster, tmp_path, pretraining):
    config, words = pretraining
    words[3] = 4
    # A site sets such variables for its nodes; here they are the two names of one machine.
    words += ["SLURM.SETUP", '["export GLOO_SOCKET_IFNAME=lo OMP_NUM_THREADS=1"]']
    submit([config], *words, "--slurm-arg", "export=NONE", tasks=1)
    job = Run(cluster, tmp_path / "pretrain")
    job.wait("the end of the job", job.ended)
    assert [event["outcome"] for event in job.attempts("end")] == ["finished"]


def test_at_a_site_whose_sbatch_forbids_an_option(cluster, tmp_path, pretraining, monkeypatch):
    config, words = pretraining
    wrapper = tmp_path / "bin/sbatch"
    wrapper.parent.mkdir()
    wrapper.write_text(
        "#!/bin/bash\n"
        'if grep -q "^#SBATCH --ntasks-per-node" "${@: -1}"; then\n'
        '  echo "sbatch: error: --ntasks-per-node is not allowed here, use --ntasks" >&2; exit 1\nfi\n'
        f'exec {shutil.which("sbatch")} "$@"\n'
    )
    wrapper.chmod(0o755)
    path = {"PATH": f"{wrapper.parent}:{Path(sys.executable).parent}:/usr/bin:/bin"}
    where = ["--launcher", "slurm", "--nodes", 2, "--tasks-per-node", 1, "--partition", "debug", "--time", 30]
    words[3] = 4
    refused = rhovideo("--cfg", config, *words, *where, check=False, env=path)
    assert refused.returncode == 2
    assert "SLURM.DROP with the name of the option that it forbids" in refused.stderr
    rules = ["SLURM.DROP", "[ntasks-per-node]", "SLURM.ARGS", "[ntasks=2]"]
    rhovideo("--cfg", config, *words, *rules, *where, env=path)
    job = Run(cluster, tmp_path / "pretrain")
    job.wait("the end of the job", job.ended)
    assert [event["outcome"] for event in job.attempts("end")] == ["finished"]


def test_a_sweep_that_is_larger_than_an_array_may_be(cluster, tmp_path, pretraining):
    config, words = pretraining
    study = tmp_path / "study"
    sweep = ["--study", study, "--sweep", "RNG_SEED=1,2,3,4,5,6", "--slurm-arg", "hold", "--max-jobs", 3]
    submit([config], *words, *sweep, nodes=1, tasks=1)
    # The cluster of these tests has MaxArraySize 4.
    assert len({each["id"].partition("_")[0] for each in cluster.queue()}) == 2
    jobs = [Run(cluster, study / f"RNG_SEED={seed}/pretrain").job.job_id for seed in range(1, 7)]
    assert [job.partition("_")[2] for job in jobs] == ["0", "1", "2", "3", "0", "1"]
    rhovideo("cancel", study)
    assert cluster.queue() == []


def test_a_line_of_setup_that_fails_is_named(cluster, tmp_path, pretraining):
    config, words = pretraining
    submit([config], *words, "SLURM.SETUP", '["true", "module load nothing"]', nodes=1, tasks=1)
    job = Run(cluster, tmp_path / "pretrain")
    job.wait("the end of the job", job.ended)
    assert "SLURM.SETUP: the line `module load nothing` failed" in (job.folder / "failure.txt").read_text()
    assert "module load nothing" in rhovideo("status", job.folder, check=False).stdout
