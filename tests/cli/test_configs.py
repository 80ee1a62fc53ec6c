"""``rhovideo configs``."""

from __future__ import annotations

import re

import pytest

from rhovideo.cli import main
from rhovideo.config import load_cfg
from rhovideo.config.recipes.recipe_files import recipes

MOCO = "pretrain/MoCo_SlowR50_8x8_paper"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_it_lists_every_recipe_with_a_line(capsys):
    assert main(["configs"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert [line.split("  ")[0] for line in lines] == [recipe.name for recipe in recipes()]
    assert all(re.fullmatch(r"\S+ {2,}\w.*\.", line) for line in lines)
    assert main(["configs", "MOCO_slowR50_8x8"]) == 0
    shown = capsys.readouterr()
    found = [line.split()[0] for line in shown.out.splitlines() if line]
    assert found == ["continue/MoCo_SlowR50_8x8_continued", "pretrain/MoCo_SlowR50_8x8", MOCO]
    assert "rhovideo configs --copy" in shown.err
    assert main(["configs", "nothing-like-it"]) == 2


def test_a_copy_runs_and_is_not_written_over(tmp_path, capsys):
    assert main(["configs", "--copy", MOCO]) == 0
    copy = tmp_path / "MoCo_SlowR50_8x8_paper.yaml"
    assert load_cfg(copy).OUTPUT_DIR == "outputs/MoCo_SlowR50_8x8_paper"
    assert main(["configs", "--copy", f"{MOCO}.yaml", "--to", "new/mine.yaml"]) == 0
    assert load_cfg("new/mine.yaml").OUTPUT_DIR == "outputs/mine"
    copy.write_text("# mine\n")
    capsys.readouterr()
    assert main(["configs", "--copy", MOCO]) == 2
    assert "exists already: write --to" in capsys.readouterr().err
    assert copy.read_text() == "# mine\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--copy", "pretrain/MoCo_SlowR50_8x8_papr"], f"no recipe of this name; write {MOCO}"),
        (["--copy", "nothing-like-it"], "`rhovideo configs` lists them"),
        (["--to", "mine.yaml"], "write --copy NAME too"),
        (["--copy", MOCO, "--to", "file/mine.yaml"], "file/mine.yaml: cannot be written"),
    ],
)
def test_what_is_wrong_is_named(arguments, message, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["configs", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_recipes_by_name_are_told_from_overrides(capsys):
    arguments = ["--cfg", "demo/moco", "demo/linear.yaml", "MODEL.NUM_CLASSES", "3", "DATA.PATH_PREFIX", "a/b"]
    assert main(["run", *arguments, "--study", "outputs/try", "--print-cfg"]) == 0
    shown = capsys.readouterr().out
    assert re.findall(r"^OUTPUT_DIR: (.+)$", shown, re.MULTILINE) == ["outputs/try/moco", "outputs/try/linear"]
    assert main(["run", "--cfg", "demo/mooco", "MODEL.NUM_CLASSES", "3"]) == 2
    assert (
        "demo/mooco: there is no such file, and no recipe of this name\n    Write demo/moco" in capsys.readouterr().err
    )
