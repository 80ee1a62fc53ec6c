"""Jobs on a real SLURM of two nodes, from the command line to the last checkpoint."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from rhovideo.runs.folder import read_results
from rhovideo.runs.records import read_attempts, run_folders
from rhovideo.studies.record import read_record
from tests.configured_runs import final_state, run, write_config
from tests.slurm.submissions import Run, ranks_of, rhovideo, seconds_since, study, submit

# Everything that may depend on the number of processes is shared by all of them.
EXACT = ["TRAIN.DTYPE", "float64", "BN.NORM_TYPE", "sync_batchnorm", "BN.GLOBAL_SYNC", True]
EXACT += ["CONTRASTIVE.BN_SYNC_MLP", True, "TRAIN.EVAL_PERIOD", 0]


@pytest.fixture
def pretraining(tmp_path, synthetic_set) -> tuple[Path, list]:
    """A configuration of 3 steps an epoch, and its overrides: a global batch of 8 on two machines."""
    config = write_config(tmp_path / "pretrain.yaml", tmp_path / "pretrain", "pretrain")
    return config, ["DATA.PATH_TO_DATA_DIR", synthetic_set, "TRAIN.BATCH_SIZE", 4]


def test_two_nodes_of_two_tasks_compute_what_one_process_does(cluster, tmp_path, pretraining):
    config, words = pretraining
    submit([config], *words, *EXACT, "SOLVER.MAX_EPOCH", 2)
    words[-1] = 8
    run([config], *words, *EXACT, "SOLVER.MAX_EPOCH", 2, "OUTPUT_DIR", tmp_path / "alone")
    spread = Run(cluster, tmp_path / "pretrain")
    spread.wait_for_results()
    alone = Run(cluster, tmp_path / "alone").losses()
    assert len(alone) == 6
    assert spread.losses()[:5] == pytest.approx(alone[:5], rel=1e-6)


def test_preempted_three_times_the_weights_are_those_of_an_undisturbed_run(cluster, tmp_path, pretraining):
    config, words = pretraining
    words += ["SOLVER.MAX_EPOCH", 20, "TRAIN.EVAL_PERIOD", 0, "TRAIN.CHECKPOINT_PERIOD", 100]
    words += ["CONTRASTIVE.TYPE", "moco", "CONTRASTIVE.QUEUE_LEN", 16]
    submit([config], *words, "OUTPUT_DIR", tmp_path / "undisturbed", tasks=1)
    undisturbed = Run(cluster, tmp_path / "undisturbed")
    undisturbed.wait_for_results()
    submit([config], *words, tasks=1, partition="preempted")
    disturbed = Run(cluster, tmp_path / "pretrain")
    chance = random.Random(time.time_ns())
    for attempt, how in enumerate(("preempted", "SIGTERM", "SIGUSR2"), 1):
        # After a step of this attempt: a signal that comes before srun's tasks are there reaches nobody.
        disturbed.wait_for_steps(disturbed.steps() + chance.randint(1, 6))
        if how == "preempted":
            cluster.preempt(folder=tmp_path)
        else:
            cluster.interrupt(disturbed.job.job_id, how.removeprefix("SIG"))
        disturbed.wait_for_attempt(attempt + 1)
    disturbed.wait_for_results()
    assert [event["outcome"] for event in disturbed.attempts("end")] == ["stopped"] * 3 + ["finished"]
    # No step was lost and none was made twice.
    assert disturbed.losses() == undisturbed.losses()
    expected, found = final_state(undisturbed.folder), final_state(disturbed.folder)
    assert found["global_step"] == expected["global_step"] == 60
    for name, tensor in expected["model_state"].items():
        assert torch.equal(found["model_state"][name], tensor), name


def test_a_killed_rank_is_named_and_the_job_goes_on_from_its_checkpoint(cluster, tmp_path, pretraining):
    config, words = pretraining
    submit([config], *words, "SOLVER.MAX_EPOCH", 12, "TRAIN.CHECKPOINT_PERIOD", 1, "TRAIN.EVAL_PERIOD", 0)
    job = Run(cluster, tmp_path / "pretrain")
    job.wait_for_checkpoint()
    killed = time.monotonic()
    os.kill(ranks_of(job.folder)[2], signal.SIGKILL)
    job.wait("the end of the attempt", lambda: job.attempts("end"))
    assert seconds_since(killed) < 60
    (end,) = job.attempts("end")
    assert (end["outcome"], end["requeued"]) == ("failed", True)
    first = (job.folder / "failure.txt").read_text().splitlines()[0]
    assert first.startswith("rank 2 of 4 on node1 ended by itself: it was killed (SIGKILL)")
    job.wait_for_attempt(2)
    job.wait_for_results()
    assert [event["outcome"] for event in job.attempts("end")] == ["failed", "finished"]


def test_a_failure_without_progress_is_final_and_its_traceback_comes_first(cluster, tmp_path, pretraining):
    config, words = pretraining
    lists = tmp_path / "lists"
    lists.mkdir()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    (lists / "train.csv").write_text("".join(f"{broken} 0\n" for _ in range(16)))
    words[1] = lists
    submit([config], *words, "TRAIN.EVAL_PERIOD", 0)
    job = Run(cluster, tmp_path / "pretrain")
    job.wait("the end of the job", job.ended)
    (end,) = job.attempts("end")
    assert (end["outcome"], end["requeued"]) == ("failed", False)
    assert "no checkpoint" in end["why"]
    report = (job.folder / "failure.txt").read_text()
    assert "no readable video" in report
    assert "Traceback" not in report
    assert cluster.state(job.job.job_id) == "FAILED"


def test_time_limit_signal_saves_and_requeues(cluster, tmp_path, pretraining):
    config, words = pretraining
    submit([config], *words, "SOLVER.MAX_EPOCH", 4000, "TRAIN.EVAL_PERIOD", 0, "TRAIN.CHECKPOINT_PERIOD", 10000,
           "SLURM.GRACE_SECONDS", 60, tasks=1, time="00:02:00")  # fmt: skip
    job = Run(cluster, tmp_path / "pretrain")
    job.wait("the time limit", lambda: job.attempts("end"))
    (end,) = job.attempts("end")
    assert (end["outcome"], end["requeued"]) == ("stopped", True)
    job.wait_for_attempt(2)
    steps = job.steps()
    job.wait_for_steps(steps + 2)
    lines = (job.folder / "stdout.log").read_text()
    assert f"Resuming from {job.folder}/checkpoints" in lines
    rhovideo("cancel", job.folder)
    assert cluster.queue() == []


def test_sweep_of_chains_runs_to_a_table(cluster, tmp_path, synthetic_set):
    files = [write_config(tmp_path / f"{task}.yaml", tmp_path / task, task) for task in ("pretrain", "linear", "test")]
    words = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "MODEL.NUM_CLASSES", 3, "SOLVER.MAX_EPOCH", 1, "KNN.K", 5]
    sweep = "CONTRASTIVE.TYPE=simclr,byol DATA.TRAIN_CROP_NUM_TEMPORAL=1,2"
    study = tmp_path / "study"
    words += ["CONTRASTIVE.PREDICTOR_DEPTHS", "[2]", "TRAIN.BATCH_SIZE", 8]
    submit(files, *words, "--study", study, "--sweep", sweep, "--max-jobs", 2, nodes=1, tasks=1)
    cluster.wait_until("the study's end", lambda: not cluster.queue(), 600, [study])
    table = rhovideo("results", study, "--format", "csv").stdout.splitlines()
    assert len(table) == 5
    assert table[0].startswith("CONTRASTIVE.TYPE,DATA.TRAIN_CROP_NUM_TEMPORAL")
    assert all(row.count("waiting") + row.count("failed") == 0 for row in table), table
    assert "finished" in rhovideo("status", study).stdout
    # What is done is not done again.
    submit(files, *words, "--study", study, "--sweep", sweep, "--resume", nodes=1, tasks=1)
    cluster.wait_until("the study's second end", lambda: not cluster.queue(), 600, [study])
    # A start, its success and an end.
    assert {len(read_attempts(run)) for run in run_folders(study)} == {3}


def test_a_study_grows_while_its_first_cells_wait(cluster, tmp_path, pretraining):
    config, words = pretraining
    words += ["--study", tmp_path / "study", "SOLVER.MAX_EPOCH", 1, "TRAIN.EVAL_PERIOD", 0]
    submit([config], *words, "--sweep", "RNG_SEED=1,2", "--slurm-arg", "hold", nodes=1, tasks=1)
    submit([config], *words, "--sweep", "RNG_SEED=3", nodes=1, tasks=1)
    runs = {seed: Run(cluster, tmp_path / f"study/RNG_SEED={seed}/pretrain") for seed in (1, 2, 3)}
    cluster.command("scontrol", "release", runs[1].job.job_id.partition("_")[0])
    for seed, found in runs.items():
        found.wait_for_results()
        assert [event["job_id"] for event in found.attempts("start")] == [found.job.job_id]
        assert f"RNG_SEED: {seed}\n" in (found.folder / "config.yaml").read_text()


def test_a_submission_that_fails_in_the_middle_leaves_nothing_in_the_queue(cluster, tmp_path, synthetic_set):
    files = [write_config(tmp_path / f"{task}.yaml", tmp_path / task, task) for task in ("pretrain", "linear")]
    words = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "MODEL.NUM_CLASSES", 3, "--launcher", "slurm", "--nodes", 1]
    (tmp_path / "bin").mkdir()
    sbatch = tmp_path / "bin/sbatch"
    # The second job is taken, and then submitit can write no more.
    sbatch.write_text(
        f'#!/bin/sh\nPATH=${{PATH#*:}} sbatch "$@" || exit\n'
        f'case "$*" in *test-only*) ;; *linear/slurm*) rm -r {tmp_path}/linear/slurm;; esac\n'
    )
    sbatch.chmod(0o755)
    path = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    done = rhovideo("--cfg", *files, *words, "--tasks-per-node", 1, check=False, env=path)
    assert done.returncode == 1
    assert "cancelled again: job " in done.stderr
    cluster.wait_until("the queue is empty", lambda: not cluster.queue(), 60)
    assert not (tmp_path / "pretrain/job.json").exists()


def test_cancel_leaves_nothing_in_the_queue(cluster, tmp_path, synthetic_set):
    files = [write_config(tmp_path / f"{task}.yaml", tmp_path / task, task) for task in ("pretrain", "linear")]
    words = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "MODEL.NUM_CLASSES", 3, "SOLVER.MAX_EPOCH", 500]
    study = tmp_path / "study"
    submit(files, *words, "--study", study, "--sweep", "RNG_SEED=1,2", nodes=1, tasks=1)
    cluster.wait_until("a running job", lambda: any(row["state"] == "RUNNING" for row in cluster.queue()))
    rhovideo("cancel", study)
    assert cluster.queue() == []
    time.sleep(5)
    assert cluster.queue() == []


@pytest.mark.parametrize(
    ("words", "said", "seconds"),
    [
        (["--partition", "debgu"], "debug", 5),
        (["OUTPUT_DIR", "/proc/nowhere"], "/proc/nowhere", 5),
        (["DATA.PATH_TO_DATA_DIR", "/no/such/folder"], "there is no folder /no/such/folder", 5),
        (["SOLVER.BASE_RL", "1"], "SOLVER.BASE_LR", 5),
        (["--nodes", "8"], "fewer than the 32 of one step", 30),
        (["--nodes", "8", "TRAIN.BATCH_SIZE", "2"], "SLURM refuses", 30),
    ],
)
def test_mistakes_are_refused_before_they_are_queued(cluster, tmp_path, pretraining, words, said, seconds):
    config, rest = pretraining
    given = {"--partition": "debug", "--nodes": "2", "--tasks-per-node": "2"}
    given |= dict([words[:2]]) if words[0].startswith("--") else {}
    overrides = words[2:] if words[0].startswith("--") else words
    rest = [*rest, *overrides]
    if words[0] == "DATA.PATH_TO_DATA_DIR":
        rest = ["TRAIN.BATCH_SIZE", 4, *overrides]
    flags = [word for pair in given.items() for word in pair]
    began = time.monotonic()
    done = rhovideo("--cfg", config, *rest, "--launcher", "slurm", *flags, check=False)
    assert done.returncode != 0
    assert said in done.stderr, done.stderr
    assert seconds_since(began) < 6 * seconds  # the page asks for the seconds on a free machine
    assert cluster.queue() == []


def test_a_live_run_folder_is_refused_and_an_ended_one_needs_resume(cluster, tmp_path, pretraining):
    config, words = pretraining
    submit([config], *words, "SOLVER.MAX_EPOCH", 1000, "TRAIN.EVAL_PERIOD", 0, tasks=1)
    job = Run(cluster, tmp_path / "pretrain")
    flags = ["--launcher", "slurm", "--nodes", 2, "--tasks-per-node", 1]
    again = rhovideo("--cfg", config, *words, *flags, "--resume", check=False)
    assert again.returncode != 0
    assert job.job.job_id in again.stderr
    assert "cancel" in again.stderr
    job.wait_for_steps(2)
    rhovideo("cancel", job.folder)
    again = rhovideo("--cfg", config, *words, *flags, check=False)
    assert again.returncode != 0
    assert "--resume" in again.stderr
    # The same global batch on one node with another number of ranks.
    first = job.job.job_id
    submit([config], *words, "SOLVER.MAX_EPOCH", 2, "TRAIN.EVAL_PERIOD", 0, "--resume", nodes=1, tasks=2)
    job.wait_for_results()
    assert job.job.earlier_ids == [first]
    assert final_state(job.folder)["epoch"] == 2


def test_dry_run_prints_the_script_and_queues_nothing(cluster, tmp_path, pretraining):
    config, words = pretraining
    flags = ["--launcher", "slurm", "--nodes", 2, "--tasks-per-node", 2, "--time", "1-00:00:00", "--mem", "4G"]
    shown = rhovideo("--cfg", config, *words, *flags, "--slurm-arg", "mail-type=FAIL", "--dry-run").stdout
    for line in ("#SBATCH --nodes=2", "#SBATCH --time=1-00:00:00", "#SBATCH --mem=4G", "#SBATCH --mail-type=FAIL"):
        assert line in shown
    assert "NUM_SHARDS: 2" in shown
    assert cluster.queue() == []
    assert not (tmp_path / "pretrain").exists()


def test_a_study_fills_its_table_and_does_nothing_twice(cluster, tmp_path, synthetic_set):
    config = write_config(tmp_path / "pretrain.yaml", tmp_path / "pretrain", "pretrain")
    small = "SOLVER.MAX_EPOCH: 1, TRAIN.EVAL_PERIOD: 0, TRAIN.BATCH_SIZE: 8"
    (tmp_path / "mine.yaml").write_text(
        f"""
TRAIN_ON: mine
SET: {{RECIPE: {config}, {small}}}
ROWS:
  "1": {{DATA.TRAIN_CROP_NUM_TEMPORAL: 1}}
  "2": {{DATA.TRAIN_CROP_NUM_TEMPORAL: 2}}
  scratch: {{START: random, MEASURE: [L]}}
MEASURE:
  K: {{DATA: mine, PROTOCOL: knn, KNN.NUM_CLIPS: 1, KNN.K: 3}}
  L: {{DATA: mine, PROTOCOL: linear, {small}, SOLVER.WARMUP_EPOCHS: 0, TEST.NUM_ENSEMBLE_VIEWS: 1}}
"""
    )
    out = tmp_path / "out"
    resources = ["--launcher", "slurm", "--nodes", 1, "--tasks-per-node", 1, "--gpus-per-node", 0, "--time", "30"]
    words = [tmp_path / "mine.yaml", "--data", f"mine={synthetic_set}", "--out", out, *resources]
    overrides = ["--opts", "DATA_LOADER.NUM_WORKERS", 0]
    study(*words, *overrides)
    cluster.wait_until("the study's end", lambda: not cluster.queue(), 600, [out])
    record = read_record(out)
    runs = {folder for cell in record.tables[0].cells for splits in cell.runs for folder in splits}
    assert len(runs) == 5
    assert all(read_results(out / folder) for folder in runs)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("results.json")}
    study(*words, "--resume", *overrides)
    cluster.wait_until("the study's second end", lambda: not cluster.queue(), 600, [out])
    assert {path: path.stat().st_mtime_ns for path in out.rglob("results.json")} == before
