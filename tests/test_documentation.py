"""The commands, programs and links that README and the pages show are right."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from rhovideo.cli import main
from rhovideo.cli.command_line import _parser
from tests.configured_runs import ROOT

PAGES = [ROOT / name for name in ("README.md", "INSTALL.md", "MODEL_ZOO.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
RECIPES = ("backbones/", "demo/", "pretrain/", "linear/", "finetune/", "test/")


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of code of one language; "" for commands."""
    # All languages at once: the end of one block must not be taken for the beginning of another.
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [text for fence, text in found if fence == language]


def commands() -> Iterator[list[str]]:
    """Every command of ours, without the program's name, with the lines joined that end in a backslash."""
    for page in PAGES:
        for block in blocks(page, ""):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("rhovideo "):
                    yield shlex.split(line)[1:]


def inline_commands() -> Iterator[list[str]]:
    """The commands that stand in the text with their arguments; others are only named."""
    for page in PAGES:
        for command in re.findall(r"`rhovideo ([a-z][^`]*)`", page.read_text(encoding="utf-8")):
            arguments = shlex.split(command)
            if len(arguments) > 1 and not arguments[-1].startswith("-"):
                yield arguments


def name(arguments: list[str]) -> str:
    return " ".join(arguments)[:60]


ALL = [arguments for arguments in (*commands(), *inline_commands()) if not {"--version", "--help"} & {*arguments}]
# What PLUGINS names is not there; the modules of the pages are run below.
RUNS = [
    arguments
    for arguments in commands()
    if arguments[0] == "run" and arguments[2].startswith(RECIPES) and "PLUGINS" not in arguments
]


@pytest.mark.parametrize("arguments", RUNS, ids=name)
def test_a_run_that_is_shown_loads(arguments, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # recipes are found from any folder
    assert main([*arguments, "--print-cfg"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("arguments", ALL, ids=name)
def test_a_command_that_is_shown_is_understood(arguments):
    parser, _ = _parser()
    parser.parse_args(arguments)
    assert arguments[0] != "run" or "--cfg" in arguments, "a run without --cfg is refused"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in headings}, target


def run_program(folder: Path, *lines: str) -> str:
    """Run lines of Python in a fresh interpreter in ``folder``, and return what they print."""
    code = "\n".join(lines)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def own_parts(tmp_path) -> Path:
    """A folder with the modules of docs/extending.md and docs/loggers.md."""
    pages = ROOT / "docs/extending.md", ROOT / "docs/loggers.md"
    for program in (program for page in pages for program in blocks(page, "python")):
        (tmp_path / re.search(r'"""(\w+\.py)', program)[1]).write_text(program)
    return tmp_path


def test_the_method_of_the_page_on_extending_gives_gradients(own_parts):
    printed = run_program(
        own_parts,
        "import rhovideo, torch",
        "words = ['PLUGINS', '[my_method]', 'CONTRASTIVE.TYPE', 'align', 'DATA.PATH_TO_DATA_DIR', '.']",
        "method = rhovideo.build_method(rhovideo.load_cfg('demo/moco', words))",
        "views = [torch.rand(3, 3, 4, 32, 32) for _ in range(2)]",
        "(loss,) = method.losses(views, 0.0)",
        "loss.backward()",
        "print(all(p.grad is not None for p in method.parameters()), method.after_backward(0.0, 0))",
    )
    assert printed == "True True\n"


def test_the_encoder_of_the_page_on_extending_gives_features(own_parts):
    printed = run_program(
        own_parts,
        "import rhovideo, torch",
        "words = ['PLUGINS', '[my_encoder]', 'MODEL.ARCH', 'tiny', 'DATA.PATH_TO_DATA_DIR', '.']",
        "encoder = rhovideo.build_backbone(rhovideo.load_cfg('demo/moco', words))",
        "print(list(encoder(torch.rand(2, 3, 4, 32, 32)).shape))",
    )
    assert printed == "[2, 128]\n"


def test_the_data_set_of_the_page_on_extending_gives_clips(own_parts):
    (own_parts / "train").mkdir()
    for number in range(4):
        np.save(own_parts / f"train/{number}.npy", np.full((40, 48, 64, 3), 60 * number, np.uint8))
    printed = run_program(
        own_parts,
        "import rhovideo",
        "words = ['PLUGINS', '[my_data]', 'TRAIN.DATASET', 'arrays', 'DATA.PATH_TO_DATA_DIR', '.']",
        "words += ['TRAIN.BATCH_SIZE', '4', 'DATA_LOADER.NUM_WORKERS', '0', 'DATA.SSL_COLOR_JITTER', 'False']",
        "loader = rhovideo.build_loader(rhovideo.load_cfg('demo/moco', words), 'train', 'pretrain')",
        "(batch,) = loader.epoch(0)",
        "print(list(batch.clips.shape), sorted(batch.clips.float().mean(dim=(1, 2, 3, 4, 5)).round().tolist()))",
    )
    assert printed == "[4, 2, 4, 64, 64, 3] [0.0, 60.0, 120.0, 180.0]\n"


def test_the_logger_of_the_page_on_loggers_gets_numbers(own_parts):
    run_program(
        own_parts,
        "import rhovideo",
        "from rhovideo.engine.loggers.build import Loggers",
        "words = ['PLUGINS', '[my_logger]', 'LOGGERS.USE', '[lab]', 'OUTPUT_DIR', '.', 'DATA.PATH_TO_DATA_DIR', '.']",
        "loggers = Loggers(rhovideo.load_cfg('demo/simclr', words))",
        "loggers.write('train', {'loss': 6.25}, 3)",
        "loggers.close()",
    )
    assert (own_parts / "lab.txt").read_text() == "3 {'train/loss': 6.25}\n"


def test_the_programs_of_the_library_page_run(monkeypatch, tmp_path):
    """All of them, one after the other, with small inputs in the places of a checkpoint, a video and batches."""
    from rhovideo.demo import write_synthetic

    lists = write_synthetic(tmp_path / "data/mine", num_classes=2, train_videos=4, val_videos=2)
    shutil.copy(next((lists / "train").rglob("*.mp4")), tmp_path / "video.mp4")
    monkeypatch.chdir(tmp_path)
    checkpoint = ROOT / "tests/reference/byol_tiny_epoch_00200.pyth"
    names: dict[str, object] = {"batches": [[torch.rand(2, 3, 8, 32, 32) for _ in range(2)] for _ in range(2)]}
    names["clips"] = torch.rand(2, 3, 8, 32, 32)
    names["wrapped"] = lambda views, progress: names["method"](views, progress)
    for program in blocks(ROOT / "docs/library.md", "python"):
        program = program.replace("byol_slow_r50_8x8_rho4", str(checkpoint))
        program = program.replace('"data/mine"]', '"data/mine", "TRAIN.BATCH_SIZE", 2, "DATA_LOADER.NUM_WORKERS", 0]')
        exec(program, names)
    assert names["features"].shape == (2, names["encoder"].dim)
    assert names["method"].signals
    assert [view.shape for view in names["views"]] == [(2, 3, 8, 224, 224)] * 4
