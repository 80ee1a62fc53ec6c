"""What is taken for granted of submitit, which it does not document: an upgrade shows here what it has changed."""

from __future__ import annotations

import signal

import pytest
from submitit.core.utils import JobPaths

from rhovideo.launch.slurm.submitit_adapter import log_file, sbatch_text, stop_signal


@pytest.mark.parametrize("job_id", ["17", "17_3"])
def test_logs_are_where_submitit_lets_srun_write_them(tmp_path, job_id):
    paths = JobPaths(tmp_path, job_id, 2)
    assert log_file(tmp_path, job_id, 2, "out") == paths.stdout
    assert log_file(tmp_path, job_id, 2, "err") == paths.stderr


def test_the_signal_is_the_one_that_the_file_asks_for(tmp_path):
    assert stop_signal() == signal.SIGUSR2
    assert "#SBATCH --signal=USR2@60" in sbatch_text(tmp_path, {"signal_delay_s": 60}, 1)


def test_the_file_is_an_array_for_several_and_has_the_lines_around_srun(tmp_path):
    around = {"setup": ["first"], "teardown": ["code=$?", "last"], "array_parallelism": 2}
    lines = sbatch_text(tmp_path, around, 3).splitlines()
    assert "#SBATCH --array=0-2%2" in lines
    srun = next(number for number, line in enumerate(lines) if line.startswith("srun "))
    assert lines.index("first") < srun < lines.index("code=$?")
    # Nothing between srun and the question for its exit code.
    assert not any(line and not line.startswith("#") for line in lines[srun + 1 : lines.index("code=$?")])
    assert not any(line.startswith("#SBATCH --array") for line in sbatch_text(tmp_path, around, 1).splitlines())
