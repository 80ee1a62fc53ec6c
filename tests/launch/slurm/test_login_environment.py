"""Which variables stay behind when a job is submitted from inside of another."""

from __future__ import annotations

import pytest

from rhovideo.launch.slurm.login_environment import foreign_variables, is_node_local

LOGIN = {"HOME": "/home/me", "PATH": "/usr/bin", "SLURM_CONF": "/etc/slurm.conf", "WANDB_API_KEY": "x"}


def test_a_login_shell_keeps_all():
    own = LOGIN | {"CUDA_VISIBLE_DEVICES": "0", "OMP_NUM_THREADS": "4", "HF_HOME": "/shared/hf", "SLURM_CLUSTERS": "a"}
    assert foreign_variables(own) == []


@pytest.mark.parametrize(
    "name",
    [
        *("SLURM_MEM_PER_CPU", "SLURM_ARRAY_TASK_ID", "SLURM_CPU_BIND", "SLURM_EXPORT_ENV", "SLURMD_NODENAME"),
        *("SBATCH_NO_REQUEUE", "SBATCH_EXPORT", "SRUN_DEBUG", "SQUEUE_FORMAT", "PMIX_RANK", "SALLOC_ACCOUNT"),
    ],
)
def test_what_slurm_reads_stays_behind(name):
    assert foreign_variables(LOGIN | {name: "1"}) == [name]


@pytest.mark.parametrize(
    "name", ["CUDA_VISIBLE_DEVICES", "TMPDIR", "OMP_NUM_THREADS", "MASTER_PORT", "LOCAL_RANK", "RHOVIDEO_ATTEMPT"]
)
def test_what_a_job_has_of_its_own_stays_behind_in_a_job_alone(name):
    assert foreign_variables(LOGIN | {name: "/scratch/1"}) == []
    inside = LOGIN | {name: "/scratch/1", "SLURM_JOB_ID": "7"}
    assert foreign_variables(inside) == sorted(["SLURM_JOB_ID", name])


def test_cache_folders_of_this_machine_stay_behind():
    caches = {"TRITON_CACHE_DIR": "/tmp/triton", "XDG_CACHE_HOME": "/dev/shm/c", "TORCHINDUCTOR_CACHE_DIR": "/home/c"}
    assert foreign_variables(LOGIN | caches) == ["TRITON_CACHE_DIR", "XDG_CACHE_HOME"]


def test_an_account_of_the_site_counts_where_the_job_names_none():
    site = LOGIN | {"SBATCH_ACCOUNT": "vision", "SBATCH_QOS": "high"}
    assert foreign_variables(site) == []
    assert foreign_variables(site, {"account"}) == ["SBATCH_ACCOUNT"]


def test_folders_of_a_machine():
    assert is_node_local("/tmp")
    assert is_node_local("/dev/shm/a/b")
    assert not is_node_local("/home/me/tmp")
