"""The package as pip installs it: sdist and wheel are built, and the wheel runs in a venv without the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import rhovideo
from rhovideo.config.recipes.recipe_files import recipes
from tests.configured_runs import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.wheel]
# What no source distribution needs, and what an earlier build may have left.
LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "outputs", "__pycache__", "tests", "shared")


def succeed(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the source distribution as pip builds it."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_OUT)
    succeed(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "source")
    assert list(folder.glob("dist/*.tar.gz"))
    (wheel,) = folder.glob("dist/*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A function that runs the installed command in an empty folder.

    The venv sees the packages of this environment, torch among them, and not the checkout: of the folders that a .pth
    file names Python reads no .pth files, by which an editable install points at it.
    """
    venv = tmp_path_factory.mktemp("venv")
    succeed(sys.executable, "-m", "venv", "--without-pip", venv)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        venv / "bin/python",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    succeed(*pip, wheel)
    (packages,) = venv.glob("lib/python*/site-packages")
    others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "environment.pth").write_text("\n".join(others) + "\n")
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(*arguments, program="rhovideo"):
        return succeed(venv / "bin" / program, *arguments, cwd=folder, env=environment | {"OMP_NUM_THREADS": "1"})

    return run, folder, packages


def test_wheel_says_what_it_is_and_holds_all_that_it_needs(wheel):
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
        (metadata_name,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(files.read(metadata_name).decode())
    assert (metadata["Name"], metadata["Version"]) == ("rhovideo", rhovideo.__version__)
    assert metadata["Author"] == "The rhovideo authors"
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert metadata.get_all("Project-URL") is None
    assert "rhovideo/py.typed" in names
    assert {f"rhovideo/recipes/{path.relative_to(ROOT / 'configs')}" for path in ROOT.glob("configs/*/*.yaml")} == {
        name for name in names if name.endswith(".yaml")
    }
    assert not [name for name in names if name.split("/")[0] not in ("rhovideo", metadata_name.split("/")[0])]


def test_every_minimum_in_setup_py_is_in_the_lowest_set(wheel):
    with zipfile.ZipFile(wheel) as files:
        (name,) = [name for name in files.namelist() if name.endswith(".dist-info/METADATA")]
        needed = Parser().parsestr(files.read(name).decode()).get_all("Requires-Dist")
    own = [requirement for requirement in map(Requirement, needed) if requirement.marker is None]
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    for requirement in own:
        (minimum,) = [specifier.version for specifier in requirement.specifier if specifier.operator == ">="]
        # 4.10.0.84 of OpenCV is the first 4.10.
        assert f"{pinned[requirement.name]}.".startswith(f"{minimum}."), requirement


def test_installed_command_knows_its_recipes(installed):
    run, _, packages = installed
    where = run("-c", "import rhovideo; print(rhovideo.__file__)", program="python")
    assert Path(where.strip()) == packages / "rhovideo/__init__.py"
    assert run("--version").startswith(f"rhovideo {rhovideo.__version__} ")
    assert "First steps" in run()
    assert [line.split()[0] for line in run("configs").splitlines() if line] == [recipe.name for recipe in recipes()]
    run("configs", "--copy", "pretrain/MoCo_SlowR50_8x8_paper", "--to", "mine.yaml")
    shown = run("run", "--cfg", "mine.yaml", "--print-cfg")
    assert "OUTPUT_DIR: outputs/mine" in shown
    by_name = run("run", "--cfg", "pretrain/MoCo_SlowR50_8x8_paper", "OUTPUT_DIR", "outputs/mine", "--print-cfg")
    assert shown.splitlines()[2:] == by_name.splitlines()[2:]


def test_installed_demo_trains_and_draws(installed):
    run, folder, _ = installed
    run("demo", "--epochs", "1", "--videos", "32")
    results = json.loads((folder / "outputs/demo/results.json").read_text())
    assert 0 <= results["linear_top1"] <= 100
    assert (folder / "outputs/demo/demo.png").stat().st_size > 10_000
    assert (folder / "outputs/demo/simclr_rho2_seed1/checkpoints/checkpoint_epoch_00001.pyth").is_file()
