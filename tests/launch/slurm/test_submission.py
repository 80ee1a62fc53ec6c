"""From the command line to sbatch and the records, beside programs named like SLURM's; tests/slurm has real ones."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rhovideo.checks.video_sizes import look_at_videos, with_sizes, write_sizes
from rhovideo.cli import main
from rhovideo.launch.plan import Plan, make_plan
from rhovideo.launch.slurm import batch_script, submitit_adapter
from rhovideo.launch.slurm.launcher import submit_plan
from rhovideo.monitor.logs import single_run
from rhovideo.runs import records
from rhovideo.runs.inputs import measure, record_start
from rhovideo.runs.lock import held_to_submit
from tests.configured_runs import ROOT
from tests.launch.run_folders import submit as leave_record

SWEEP = ["--study", "s", "--sweep"]


def queue(*words, names=("pretrain",)) -> int:
    files = [f"{name}.yaml" for name in names]
    return main(["run", "--cfg", *files, "--launcher", "slurm", "--nodes", "1", "--tasks-per-node", "1", *words])


def start_scripts(patch, script: str, count: int) -> None:
    """What the batch script does first, for every job of its array."""
    folder = Path(re.search(r"RHOVIDEO_SLURM_FOLDER=(\S+)", script)[1])
    for index in range(count):
        for name, value in (("JOB_ID", "99"), ("ARRAY_JOB_ID", "17"), ("ARRAY_TASK_ID", str(index))):
            patch.setenv(f"SLURM_{name}", value)
        assert batch_script.start(folder) == 0


def test_a_study_that_grows_leaves_the_waiting_jobs_their_run_folders(videos, submitting, monkeypatch):
    assert queue(*SWEEP, "RNG_SEED=1,2") == 0
    assert queue(*SWEEP, "RNG_SEED=3") == 0
    start_scripts(monkeypatch, submitting.scripts()[0], 2)
    started = {seed: records.read_attempts(videos / f"s/RNG_SEED={seed}/pretrain") for seed in (1, 2, 3)}
    assert {seed: [event["job_id"] for event in events] for seed, events in started.items()} == {
        1: ["17_0"],
        2: ["17_1"],
        3: [],
    }
    assert [cell.name for cell in records.read_study("s").cells] == ["RNG_SEED=1", "RNG_SEED=2", "RNG_SEED=3"]


def test_failed_cells_submitted_again_do_not_take_over_the_later_stages_of_the_others(videos, submitting, monkeypatch):
    assert queue(*SWEEP, "RNG_SEED=1,2", names=("pretrain", "linear")) == 0
    # The first stage of cell 2 has failed; its linear job waits for ever or was cancelled.
    assert queue(*SWEEP, "RNG_SEED=2", "--resume", names=("pretrain", "linear")) == 0
    start_scripts(monkeypatch, submitting.scripts()[1], 2)
    assert [event["job_id"] for event in records.read_attempts("s/RNG_SEED=1/linear")] == ["17_0"]


def test_study_that_has_run_is_refused_once_for_all_its_folders(videos, submitting, capsys):
    assert queue(*SWEEP, "RNG_SEED=1,2,3", names=("pretrain", "linear")) == 0
    capsys.readouterr()
    assert queue(*SWEEP, "RNG_SEED=1,2,3", names=("pretrain", "linear")) == 2
    said = capsys.readouterr().err
    assert said.count("belongs to an earlier run") == 1
    assert "; the same holds for 5 more\n    Write --resume" in said
    assert len(submitting.scripts()) == 2


@pytest.mark.parametrize("words", [[], [*SWEEP, "RNG_SEED=1,2"], ["--study", "a chain"]])
def test_commands_that_look_after_the_jobs_can_be_copied(words, videos, submitting, capsys):
    assert queue(*words, names=("pretrain", "linear")) == 0
    _, _, shown = capsys.readouterr().err.partition("look after it:\n")
    commands = [shlex.split(line) for line in shown.splitlines()]
    assert {command[1] for command in commands} == {"status", "logs", "cancel"}
    for program, *command in commands:
        assert program == "rhovideo"
        if command[0] == "logs":
            assert single_run(command[-1]).name == "pretrain"
        else:
            assert main(command) == 0, command


def test_the_code_of_a_study_is_copied_once(videos, submitting):
    queue(*SWEEP, "RNG_SEED=1,2", names=("pretrain", "linear"))
    queue(*SWEEP, "RNG_SEED=3", names=("pretrain", "linear"))
    assert len(list((videos / "s").rglob("rhovideo/launch/slurm/batch_script.py"))) == 1


def test_dry_run_prints_the_files_that_are_queued(videos, submitting, capsys):
    words = [*SWEEP, "RNG_SEED=1,2", "--max-jobs", "1"]
    assert queue(*words, "--dry-run", names=("pretrain", "linear")) == 0
    shown = capsys.readouterr().out
    assert submitting.scripts() == []
    assert not (videos / "s").exists()
    assert queue(*words, names=("pretrain", "linear")) == 0
    first, second = submitting.scripts()
    assert first in shown
    assert "--dependency=aftercorr:17\n" in second
    assert second.replace("aftercorr:17", "aftercorr:JOB_OF_STAGE_1") in shown


def test_dry_run_needs_no_slurm_and_checks_what_can_be_checked(videos, slurm, capsys):
    slurm.hide()
    assert queue("--dry-run", names=("pretrain", "linear")) == 0
    shown = capsys.readouterr()
    assert shown.out.count("\nsrun ") == 2
    assert "#SBATCH --dependency=afterok:JOB_OF_STAGE_1" in shown.out
    assert "not checked: what the videos hold, the nodes" in shown.err
    assert "partitions and sbatch's own test (there is no sbatch" in shown.err
    assert shown.err.endswith("; nothing was queued\n")
    leave_record(videos / "out/pretrain", "12")
    assert queue("--dry-run") == 2
    assert "the record of job 12" in capsys.readouterr().err


def test_a_record_that_cannot_be_written_takes_all_jobs_out_of_the_queue(videos, submitting, capsys):
    submitting.take_jobs('[ $number = 17 ] || mkdir "$PWD/out/linear/job.json"')
    assert queue(names=("pretrain", "linear")) == 1
    shown = capsys.readouterr().err
    assert "out/linear/job.json: cannot be" in shown
    assert "cancelled again: job 17, job 18" in shown
    assert submitting.words("scancel") == ["18 17"]
    # As if nothing had been submitted.
    assert records.read_job("out/pretrain") is None
    submitting.take_jobs()
    (videos / "out/linear/job.json").rmdir()
    assert queue(names=("pretrain", "linear")) == 0


def test_a_job_whose_number_is_lost_after_sbatch_took_it_is_found_and_cancelled(videos, submitting, capsys):
    """As where the quota is used up just then: submitit has still to rename and link files."""
    submitting.take_jobs('[ $number = 17 ] || rm -r "$PWD/out/linear/slurm"')
    rows = (
        f"17|{videos}/out/pretrain/slurm/17_submission.sh\n18|{videos}/out/linear/slurm/.x.sh\n16|{videos}/other.sh\n"
    )
    submitting.say("squeue", rows)
    assert queue(names=("pretrain", "linear")) == 1
    shown = capsys.readouterr().err
    assert "cannot be written (No such file or directory)" in shown
    assert submitting.words("scancel") == ["18 17"]


def test_a_job_that_cannot_be_taken_back_is_named(videos, submitting, capsys):
    submitting.take_jobs("[ $number = 17 ] || exit 1")
    submitting.say("scancel", "", "Access denied", 1)
    assert queue(names=("pretrain", "linear")) == 1
    shown = capsys.readouterr().err
    assert "SLURM refuses linear.yaml" in shown
    assert "`scancel 17`" in shown
    assert records.read_job("out/pretrain").job_id == "17"


def test_a_resume_that_fails_leaves_the_earlier_record(videos, submitting):
    leave_record(videos / "out/pretrain", "12")
    submitting.take_jobs("[ $number = 17 ] || exit 1")
    assert queue("--resume", names=("pretrain", "linear")) == 1
    assert records.read_job("out/pretrain").job_id == "12"


def test_ctrl_c_while_sbatch_answers_leaves_nothing_in_the_queue(videos, submitting):
    submitting.take_jobs("kill -INT $(cut -d ' ' -f 4 /proc/$PPID/stat); sleep 0.3")
    assert queue() == 130
    assert submitting.words("scancel") == ["17"]


def test_an_sbatch_that_does_not_answer_is_given_up(videos, submitting, capsys, monkeypatch):
    monkeypatch.setattr(submitit_adapter, "SBATCH_SECONDS", 0.5)
    submitting.take_jobs("exec sleep 60")
    before = time.monotonic()
    assert queue() == 1
    assert time.monotonic() - before < 30
    assert "sbatch has not answered within 0.5 seconds" in capsys.readouterr().err


def test_the_number_of_the_job_is_that_of_sbatchs_own_line(videos, submitting, capsys):
    submitting.take_jobs("echo 'note: job 4 of yours failed yesterday'")
    assert queue() == 0
    assert "job 17: pretrain.yaml in out/pretrain" in capsys.readouterr().err
    submitting.run("sbatch", '[ "$1" = --test-only ] || echo "thank you for job 99"')
    assert queue("OUTPUT_DIR", "other") == 1
    assert "sbatch printed no line `Submitted batch job NUMBER`" in capsys.readouterr().err
    assert submitting.words("scancel") == []


@contextlib.contextmanager
def another_submission(slurm, folder: Path, run: Path):
    """Somebody else, who is checked before us and whose job is queued after we are checked."""

    def submit() -> None:
        with held_to_submit(folder):
            ready.set()
            deadline = time.monotonic() + 60
            while not any("--test-only" in words for words in slurm.words("sbatch")) and time.monotonic() < deadline:
                time.sleep(0.05)
            slurm.say("squeue", "41|PENDING||Resources\n")
            leave_record(run, "41")

    ready = threading.Event()
    other = threading.Thread(target=submit)
    other.start()
    ready.wait()
    yield
    other.join()


@pytest.mark.parametrize(
    ("words", "folder", "run"),
    [((), "out/pretrain", "out/pretrain"), ((*SWEEP, "RNG_SEED=1"), "s", "s/RNG_SEED=1/pretrain")],
)
def test_of_two_submissions_at_once_one_is_refused(videos, submitting, capsys, words, folder, run):
    with another_submission(submitting, videos / folder, videos / run):
        assert queue(*words) == 2
    assert "job 41 is in the queue for" in capsys.readouterr().err
    assert submitting.scripts() == []


def test_a_run_in_a_terminal_leaves_the_folder_of_a_waiting_job_alone(videos, submitting, capsys):
    leave_record(videos / "out/pretrain", "17")
    submitting.say("squeue", "17|PENDING||BeginTime\n")
    assert main(["run", "--cfg", "pretrain.yaml"]) == 2
    shown = capsys.readouterr().err
    assert "job 17 is in the queue for out/pretrain (PENDING)" in shown
    assert "rhovideo cancel out/pretrain" in shown
    assert not (videos / "out/pretrain/stdout.log").exists()


@pytest.mark.parametrize("module", ["launch.slurm.launcher", "launch.local.runner", "launch.before_start", "cli"])
def test_nothing_is_imported_before_the_checks_that_they_do_not_need(module):
    code = f"import sys, rhovideo.{module}; print({{'torch', 'numpy', 'submitit'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def finish(recorded: bool = True) -> dict[str, bytes]:
    """Leave what a finished pre-training leaves in its run folder; the records."""
    (job,) = make_plan(["pretrain.yaml"], ["SLURM.NODES", 1, "SLURM.TASKS_PER_NODE", 1], None, None, True).jobs
    run = Path(job.cfg.OUTPUT_DIR)
    (run / "checkpoints").mkdir(parents=True)
    (run / f"checkpoints/checkpoint_epoch_{job.cfg.SOLVER.MAX_EPOCH:05d}.pyth").touch()
    (run / "config.yaml").write_text(job.cfg.dump())
    if recorded:
        inputs = measure(job.cfg)
        sizes = look_at_videos(job.cfg, inputs)
        write_sizes(run, sizes)
        record_start(run, with_sizes(inputs, sizes))
    (run / "results.json").write_text('{"task": "pretrain", "knn_top1": 50.0}')
    return {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}


@pytest.mark.parametrize("start", [["--resume"], ["--dry-run", "--resume"]])
def test_a_finished_run_is_not_queued_again_with_another_key_list_or_video(videos, submitting, capsys, start):
    before = finish()
    assert queue(*start, "CONTRASTIVE.T", "0.3") == 2
    assert re.search(r"CONTRASTIVE\.T was [\d.]+ and is 0\.3 now", capsys.readouterr().err)
    rows = (videos / "train.csv").read_text()
    (videos / "train.csv").write_text(rows + "a.mp4 0\n")
    assert queue(*start) == 2
    assert "128 rows then and 129 now" in capsys.readouterr().err
    (videos / "train.csv").write_text(rows)
    (videos / "a.mp4").write_bytes(b"another")
    assert queue(*start) == 2
    assert "videos of the train list have another size than when it was measured on: a.mp4 (0 → 7 bytes)" in (
        capsys.readouterr().err
    )
    (videos / "a.mp4").write_bytes(b"")
    assert submitting.scripts() == []
    assert {name: (videos / "out/pretrain" / name).read_bytes() for name in before} == before


def test_a_finished_run_that_is_queued_again_has_nothing_to_do(videos, submitting, capsys, monkeypatch):
    finish()
    assert queue("--resume") == 0
    folder = Path(re.search(r"RHOVIDEO_SLURM_FOLDER=(\S+)", submitting.scripts()[0])[1])
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert batch_script.start(folder) == 0
    assert "was finished before this submission: nothing to do" in capsys.readouterr().err


def test_time_stamps_that_decide_about_a_folder_of_an_earlier_version_are_said(videos, submitting, capsys):
    finish(recorded=False)
    assert queue("--resume", "--dry-run") == 0
    assert "only the time stamps of its lists and of its checkpoint were compared" in capsys.readouterr().err


def test_chains_of_other_lengths_wait_for_their_own_jobs(videos, submitting):
    """As in a study: two trainings with their measurement, a third with two, and the later arrays are shorter."""
    plans = [
        make_plan([f"{name}.yaml" for name in names], ["SLURM.TASKS_PER_NODE", 1], study=f"s/{number}", slurm=True)
        for number, names in enumerate((("pretrain", "linear", "test"), ("pretrain", "linear"), ("pretrain",)))
    ]
    cells = [replace(plan.cells[0], name=str(number)) for number, plan in enumerate(plans)]
    assert submit_plan(Plan(cells, Path("s"))) == 0
    first, second, third = submitting.scripts()
    assert "#SBATCH --array=0-2" in first
    assert "#SBATCH --array=0-1" in second
    assert "--dependency=aftercorr:17\n" in second
    assert "--array" not in third
    assert "--dependency=afterok:18_0\n" in third
    waits = {
        str(Path(job.cfg.OUTPUT_DIR)): records.read_job(job.cfg.OUTPUT_DIR).depends_on
        for cell in cells
        for job in cell.jobs
    }
    assert waits["s/1/linear"] == "17_1"
    assert waits["s/0/test"] == "18_0"
    assert waits["s/2/pretrain"] == ""
