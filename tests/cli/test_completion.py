"""The Tab key, asked as the shell's function asks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rhovideo.cli import main
from rhovideo.cli.completion import SHELLS
from tests.configured_runs import ROOT


@pytest.fixture
def tab(tmp_path):
    """What is offered for a line that ends at the cursor, without torch, yaml files of the current folder among it."""
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "notes.txt").touch()
    code = "import sys; sys.modules['torch'] = None; from rhovideo.cli import main; main()"

    def complete(line):
        answer = tmp_path / "answer"
        answer.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
        }
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return {offered.strip() for offered in answer.read_text().splitlines()}

    return complete


def test_commands_and_options(tab):
    assert {"run", "demo", "configs"} <= tab("rhovideo ")
    assert tab("rhovideo conf") == {"configs"}
    assert tab("rhovideo demo --ep") == {"--epochs"}
    assert tab("rhovideo eval byol_slow_r50_8x8_rho4 --protocol r") == {"retrieval"}


def test_recipes_files_keys_and_checkpoints(tab):
    assert {"demo/moco", "pretrain/MoCo_SlowR50_8x8", "mine.yaml"} <= tab("rhovideo run --cfg ")
    assert "notes.txt" not in tab("rhovideo run --cfg ")
    assert tab("rhovideo run --cfg pretrain/MoCo_SlowR50_8x8_") == {"pretrain/MoCo_SlowR50_8x8_paper"}
    assert tab("rhovideo run --cfg demo/moco SOLVER.MAX_") == {"SOLVER.MAX_EPOCH"}
    assert tab("rhovideo configs --copy demo/s") == {"demo/simclr", "demo/swav"}
    assert tab("rhovideo eval byol_slow_r50_8x8_") == {"byol_slow_r50_8x8_rho2", "byol_slow_r50_8x8_rho4"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shells_code_names_the_program(shell, capsys):
    assert main(["completion", shell]) == 0
    shown = capsys.readouterr().out
    assert "rhovideo" in shown
    assert "_ARGCOMPLETE" in shown


def test_bash_completes_with_the_printed_code(tmp_path):
    """The real shell: its function is there after the printed code."""
    (tmp_path / "rhovideo").write_text(f"#!{sys.executable}\nfrom rhovideo.cli import main\nmain()\n")
    (tmp_path / "rhovideo").chmod(0o755)
    script = """
    eval "$(rhovideo completion bash)"
    COMP_WORDS=(rhovideo conf) COMP_CWORD=1 COMP_LINE="rhovideo conf" COMP_POINT=13 COMP_TYPE=9
    $(complete -p rhovideo | sed 's/.*-F \\([^ ]*\\).*/\\1/') rhovideo conf rhovideo
    echo "${COMPREPLY[@]}"
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["configs"], done.stderr
