"""A SLURM for these tests: the one that SLURM_CONF names if it is a test cluster, else one of their own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running SLURM with accounting; this process's environment points at it."""
    _need_slurm()
    running = _exported()
    ours = None if running else _own_cluster()
    with pytest.MonkeyPatch.context() as patch:
        try:
            found = running or ours.start()
            patch.setenv("SLURM_CONF", str(found.conf))
            # The defaults of whoever runs the tests are not theirs.
            patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("no-defaults")))
            yield found
        finally:
            if ours:
                _remove(ours)


@pytest.fixture(autouse=True)
def _no_job_left(cluster: Cluster) -> Iterator[None]:
    """A test that fails leaves the nodes to the next one."""
    yield
    cluster.cancel_all()


@pytest.fixture(scope="session")
def _second_cluster() -> Iterator[Cluster]:
    _need_slurm()
    second = _own_cluster()
    try:
        yield second.start(accounting=False)
    finally:
        _remove(second)


@pytest.fixture
def cluster_without_accounting(_second_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Another SLURM, where ``sacct`` fails; the test's environment points at it."""
    monkeypatch.setenv("SLURM_CONF", str(_second_cluster.conf))
    yield _second_cluster
    _second_cluster.cancel_all()


def _need_slurm() -> None:
    """Skip where SLURM cannot run; fail there if RHOVIDEO_REQUIRE_SLURM is 1."""
    reason = missing()
    if reason and os.environ.get("RHOVIDEO_REQUIRE_SLURM") == "1":
        pytest.fail(f"RHOVIDEO_REQUIRE_SLURM is 1, and the tests on a real SLURM cannot run: {reason}")
    if reason:
        pytest.skip(reason)


def _exported() -> Cluster | None:
    """The running cluster that the environment names. Never one that people work on."""
    conf = Path(os.environ.get("SLURM_CONF", ""))
    if conf.name != "slurm.conf" or not conf.is_file() or "ClusterName=rhovideo\n" not in conf.read_text():
        return None
    found = Cluster(conf.parent.parent)
    return found if found.answers() else None


def _own_cluster() -> Cluster:
    # Not pytest's temporary folder: the user munge must be able to enter it, and sockets need short names.
    return Cluster(Path(tempfile.mkdtemp(prefix="rhovideo-slurm-")))


def _remove(cluster: Cluster) -> None:
    cluster.stop()
    shutil.rmtree(cluster.folder, ignore_errors=True)
