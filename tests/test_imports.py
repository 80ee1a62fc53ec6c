"""What each part of the package imports: looking at runs and checking configurations must not wait for torch."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections import Counter

import pytest

import rhovideo
from tests.configured_runs import ROOT

# Whole packages, and single modules, that import without torch.
TORCH_FREE = (
    *(
        "rhovideo.config",
        "rhovideo.metrics",
        "rhovideo.data.lists.boxes",
        "rhovideo.runs",
        "rhovideo.monitor",
        "rhovideo.studies.numbers",
        "rhovideo.cli",
        "rhovideo.launch.slurm",
    ),
    *(f"rhovideo.launch.{name}" for name in ("before_start", "chains", "failures", "finished_jobs", "plan")),
    *("rhovideo.launch.run_state", "rhovideo.launch.sweep", "rhovideo.launch.local.runner"),
    *(f"rhovideo.zoo.{name}" for name in ("catalogue", "figures", "sources", "stated_figures")),
    *(f"rhovideo.checks.{name}" for name in ("files", "finished_runs", "fitting", "video_sizes")),
    *(
        f"rhovideo.checks.lists.{name}"
        for name in (
            "class_agreement",
            "job_lists",
            "label_numbers",
            "list_contents",
            "list_warnings",
            "shared_videos",
        )
    ),
    "rhovideo.data.lists.classes.class_names",
    *("rhovideo.engine.evaluation.intervals", "rhovideo.engine.evaluation.predictions"),
    *(f"rhovideo.report.{name}" for name in ("run_record", "subjects", "per_video", "drawing", "markup")),
    *("rhovideo.errors", "rhovideo.json_records", "rhovideo.randomness", "rhovideo.terminal"),
)
# Module names that stand twice: packages of the command line and of integrations are named after what they wrap.
MAY_REPEAT = {"__init__", "__main__", "build"}
MODULES = sorted(module.name for module in pkgutil.walk_packages(rhovideo.__path__, "rhovideo."))


@pytest.mark.parametrize("package", TORCH_FREE)
def test_imports_without_torch(package):
    """In one fresh interpreter a package; the message names the modules that brought torch."""
    names = [name for name in MODULES if f"{name}.".startswith(f"{package}.") and not name.endswith("__main__")]
    assert names
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    if 'torch' in sys.modules:\n"
        "        sys.exit(f'importing {name} imports torch')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_module_name_stands_twice():
    wrappers = ("rhovideo.cli.", "rhovideo.integrations.")
    packages = {module.name for module in pkgutil.walk_packages(rhovideo.__path__, "rhovideo.") if module.ispkg}
    names = Counter(
        name.rpartition(".")[2] for name in MODULES if name not in packages and not name.startswith(wrappers)
    )
    assert {name for name, count in names.items() if count > 1} <= MAY_REPEAT


def test_a_folder_holds_about_ten_files():
    """The command line has one for each command."""
    packages = {module.name for module in pkgutil.walk_packages(rhovideo.__path__, "rhovideo.") if module.ispkg}
    files = Counter(name.rpartition(".")[0] for name in MODULES if name not in packages)
    assert {folder: count for folder, count in files.items() if count > 12 and folder != "rhovideo.cli"} == {}
