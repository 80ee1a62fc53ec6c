"""Words of other programs lead to the right command."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rhovideo.cli import main
from tests.configured_runs import ROOT


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("train", "rhovideo run --cfg"),
        ("pretrain", "rhovideo run --cfg"),
        ("pre-train", "rhovideo run --cfg"),
        ("test", "rhovideo eval CHECKPOINT"),
        ("evaluate", "rhovideo eval CHECKPOINT"),
        ("features", "rhovideo extract CHECKPOINT"),
        ("linear", "--protocol linear"),
        ("logistic", "--protocol fast"),
    ],
)
def test_the_word_of_another_program_leads_to_ours(word, hint, capsys):
    assert main([word]) == 2
    assert hint in capsys.readouterr().err


def test_help_is_the_overview_or_a_commands_help(capsys):
    for words in (["help"], ["help", "eval"]):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "First steps" in shown
    assert "--protocol" in shown


def test_index_imports_no_torch(jobs_folder):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from rhovideo.cli import main; "
        "code = main(['index', '.', '--out', 'lists', '--val-share', '0.5']); "
        "sys.exit(code or 3 * ('torch' in sys.modules))"
    )
    for name in ("b", "c", "d"):
        (jobs_folder / "videos" / "walk").mkdir(parents=True, exist_ok=True)
        (jobs_folder / "videos/walk" / f"{name}.mp4").touch()
    done = subprocess.run([sys.executable, "-c", code, str(ROOT)], cwd=jobs_folder / "videos", capture_output=True)
    assert done.returncode == 0, done.stderr
