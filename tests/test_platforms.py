"""Systems without what Linux and CUDA have: they work on the CPU, or are refused in one line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist

from rhovideo import distributed
from rhovideo.checks.machine import check_machine
from rhovideo.config import load_cfg
from rhovideo.data.loading.scanning import scan
from rhovideo.engine.run import run
from rhovideo.errors import JobError
from rhovideo.launch.rank_setup import _use_loopback, threads_per_process
from tests.configured_runs import ROOT, write_config
from tests.configured_runs import run as run_program

# Names of os and mmap that macOS's Python does not have.
LINUX_ALONE = """
import mmap, os
for module, names in (
    (os, "memfd_create MFD_CLOEXEC sched_getaffinity sched_setaffinity posix_fadvise posix_fallocate copy_file_range"),
    (mmap, "MADV_REMOVE MADV_DONTFORK MAP_POPULATE"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
"""


@pytest.fixture
def tiny(tmp_path, synthetic_set):
    def configure(*overrides):
        config = write_config(tmp_path / "pretrain.yaml", tmp_path / "out", "pretrain")
        words = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "SOLVER.MAX_EPOCH", 1, "CONTRASTIVE.TYPE", "simclr"]
        return config, [*words, *overrides]

    return configure


def test_training_needs_nothing_that_linux_alone_has(tiny, tmp_path):
    """In every process: Python imports sitecustomize when it starts."""
    (tmp_path / "sitecustomize.py").write_text(LINUX_ALONE)
    config, words = tiny("NUM_CPU_PROCESSES", 2, "DATA_LOADER.NUM_WORKERS", 1)
    shown = run_program([config], *words, environment={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert "is finished after" in shown


def test_a_list_is_scanned_and_cores_are_counted_without_affinity(synthetic_set, tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert threads_per_process(1) == 2
    listed = tmp_path / "few.csv"
    listed.write_text(
        "".join(f"{synthetic_set}/{line}\n" for line in (synthetic_set / "val.csv").read_text().splitlines())
    )
    assert scan(listed).broken == []


@pytest.mark.parametrize("name", ["lo", "lo0"])
def test_the_loopback_of_linux_and_macos_is_found(name, monkeypatch):
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, name), (2, "en0")])
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "")
    monkeypatch.delenv("GLOO_SOCKET_IFNAME")
    _use_loopback()
    assert os.environ["GLOO_SOCKET_IFNAME"] == name


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize(("mps", "said"), [(True, "no GPU found (Apple's MPS is not used)"), (False, "no GPU found")])
def test_all_gpus_of_a_machine_without_one_are_its_cpu(mps, said, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    config, words = tiny("NUM_GPUS", -1)
    run(load_cfg(config, [str(word) for word in words]))
    log = (tmp_path / "out/stdout.log").read_text()
    assert f"{said}: CPU, expect" in log
    assert ("MPS" in log) == mps


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_apples_gpu_is_refused_by_name(tiny, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    config, words = tiny("NUM_GPUS", 1)
    (finding,) = check_machine(load_cfg(config, [str(word) for word in words]))
    assert finding.keys == ("NUM_GPUS",)
    assert finding.wrong.endswith("has only Apple's MPS, which rhovideo does not use")
    assert finding.write.startswith("0 to run on the CPU")


def test_torch_without_collectives_is_refused_for_several_processes(monkeypatch):
    monkeypatch.setattr(dist, "is_available", lambda: False)
    distributed.initialise(0, 1, "env://", "gloo")
    with pytest.raises(JobError, match="NUM_CPU_PROCESSES 1"):
        distributed.initialise(0, 2, "env://", "gloo")


def test_windows_is_refused_in_one_line():
    code = "import sys; sys.platform = 'win32'; import rhovideo"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "ImportError: rhovideo runs on Linux and macOS; on Windows install it in WSL"
