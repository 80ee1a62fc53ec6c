"""Sites that forbid options, limit arrays, or set variables; beside programs named like SLURM's."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from rhovideo.cli import main
from rhovideo.launch.slurm.refusals import refusal

SWEEP = ["--study", "s", "--sweep"]


def queue(*words, names=("pretrain",)) -> int:
    files = [f"{name}.yaml" for name in names]
    return main(["run", "--cfg", *files, "--launcher", "slurm", "--nodes", "2", "--tasks-per-node", "2", *words])


def srun_line(script: str) -> str:
    return next(line for line in script.splitlines() if line.startswith("srun "))


def test_an_option_that_a_site_forbids_is_left_out_and_srun_still_starts_all_ranks(videos, submitting):
    assert queue("SLURM.DROP", "[ntasks-per-node, --requeue]", "SLURM.ARGS", "[ntasks=4]") == 0
    (script,) = submitting.scripts()
    assert "--ntasks-per-node" not in re.sub("srun .*", "", script)
    assert "#SBATCH --requeue" not in script
    assert "#SBATCH --ntasks=4" in script
    assert "--nodes=2 --ntasks=4 --ntasks-per-node=2" in srun_line(script)


def test_without_that_the_script_asks_and_srun_follows(videos, submitting):
    assert queue() == 0
    (script,) = submitting.scripts()
    assert "#SBATCH --ntasks-per-node=2" in script
    assert "--ntasks" not in srun_line(script)
    assert "--export=ALL" in srun_line(script)


def test_more_cells_than_an_array_may_have_are_several_arrays(videos, submitting, capsys):
    submitting.say("scontrol", "ClusterName = x\nMaxArraySize            = 2\n")
    words = ["RNG_SEED=1,2,3", "--max-jobs", "3"]
    assert queue(*SWEEP, *words, names=("pretrain", "linear")) == 0
    assert "3 cells in 2 arrays: this cluster takes 2 jobs in one" in capsys.readouterr().err
    scripts = submitting.scripts()
    arrays = [re.findall(r"#SBATCH --array=(\S+)", script) for script in scripts]
    assert arrays == [["0-1%2"], ["0-1%2"], [], []]
    waits = [re.findall(r"#SBATCH --dependency=(\S+)", script) for script in scripts]
    assert waits == [[], ["aftercorr:17"], [], ["afterok:19"]]
    # Each has its own list of runs.
    folders = {re.search(r"RHOVIDEO_SLURM_FOLDER=(\S+)", script)[1] for script in scripts}
    assert len(folders) == 4


def test_sbatch_does_not_see_the_variables_of_the_job_around_it(videos, submitting, monkeypatch, tmp_path):
    seen = tmp_path / "seen"
    submitting.take_jobs(before=f"env > {seen}")
    for name, value in (
        *(("SLURM_JOB_ID", "5"), ("SLURM_MEM_PER_CPU", "200"), ("SBATCH_NO_REQUEUE", "1"), ("SBATCH_EXPORT", "NONE")),
        *(("TMPDIR", "/scratch/5"), ("SBATCH_ACCOUNT", "vision"), ("SLURM_CONF", "/etc/here.conf"), ("KEPT", "yes")),
    ):
        monkeypatch.setenv(name, value)
    assert queue() == 0
    names = {line.partition("=")[0] for line in Path(seen).read_text().splitlines()}
    assert {"KEPT", "SBATCH_ACCOUNT", "SLURM_CONF"} <= names
    assert not names & {"SLURM_JOB_ID", "SLURM_MEM_PER_CPU", "SBATCH_NO_REQUEUE", "SBATCH_EXPORT", "TMPDIR"}
    assert queue("--account", "mine", "OUTPUT_DIR", "another") == 0
    assert "SBATCH_ACCOUNT" not in Path(seen).read_text()


@pytest.mark.parametrize("place", ["local", "slurm"])
def test_copies_of_one_command_are_refused_once(videos, submitting, monkeypatch, capsys, place):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    monkeypatch.setenv("SLURM_PROCID", "0")
    words = ["run", "--cfg", "pretrain.yaml", "--launcher", place]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "srun has started 4 copies of this command" in said
    assert "the command without srun" in said
    monkeypatch.setenv("SLURM_PROCID", "1")
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "copies" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        ("sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed", "maxsubmit"),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit", "fewer cells"),
        ("sbatch: error: Batch job submission failed: Invalid job array specification", "MaxArraySize"),
        ("sbatch: error: Batch job submission failed: Invalid account or account/partition combination", "--account"),
        ("sbatch: error: Memory specification can not be satisfied", "mem-per-cpu"),
        ("sbatch: error: --ntasks-per-node is not allowed here, use --ntasks", "SLURM.DROP"),
        ("sbatch: error: You must specify --gres", "--slurm-arg OPTION=VALUE"),
        ("sbatch: fatal: --mem, --mem-per-cpu, and --mem-per-gpu are mutually exclusive.", "one of the two options"),
        ("sbatch: error: something new", "--dry-run shows"),
    ],
)
def test_a_refusal_says_what_to_write(answer, remedy):
    stage = SimpleNamespace(jobs=[SimpleNamespace(file="pretrain.yaml")])
    wrong, write = refusal(stage, answer)
    assert wrong.startswith("SLURM refuses pretrain.yaml: sbatch: ")
    assert remedy in write
