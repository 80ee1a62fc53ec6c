"""A file that fixes the order of classes: a folder that lacks one keeps the numbers of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhovideo.cli import main
from rhovideo.data.lists.classes.class_files import read_class_file
from rhovideo.data.lists.classes.class_names import read_class_names
from tests.data.lists.listed import entries, touch


def _folder(root: Path, *classes: str) -> Path:
    for name in classes:
        for number in range(4):
            touch(root / name / f"{number}.mp4")
    return root


def _index(*words: object) -> int:
    return main([str(word) for word in ["index", *words]])


def test_a_folder_that_lacks_a_class_keeps_the_numbers_of_the_others(tmp_path, capsys):
    assert _index(_folder(tmp_path / "all", "jump", "run", "air guitar"), "--out", tmp_path / "one") == 0
    hint = f"--classes {tmp_path / 'one/classes.txt'}"
    assert hint in capsys.readouterr().out
    for number, videos in enumerate((("run", "Air_Guitar"), ("run",))):
        out = tmp_path / f"out{number}"
        assert _index(_folder(tmp_path / f"some{number}", *videos), "--out", out, *hint.split()) == 0
        listed = {(Path(path).parent.name, label) for path, label in entries(out / "train.csv", tmp_path)}
        assert listed == {(name, {"run": 2, "Air_Guitar": 0}[name]) for name in videos}
        assert read_class_names(out) == ["air guitar", "jump", "run"]
    assert hint not in capsys.readouterr().out


def test_a_folder_that_is_no_class_is_refused_with_what_to_do(tmp_path, capsys):
    (tmp_path / "classes.txt").write_text("run\njump\n")
    words = [_folder(tmp_path / "videos", "run", "swim"), "--out", tmp_path / "out"]
    assert _index(*words, "--classes", tmp_path / "classes.txt") == 2
    told = capsys.readouterr().err
    assert f"the folder 'swim' is not among the 2 classes of {tmp_path}/classes.txt: write the name as a new" in told
    assert not (tmp_path / "out").exists()
    assert _index(*words, "--classes", tmp_path / "none.txt") == 2
    assert "none.txt" in capsys.readouterr().err


def test_lists_written_anew_with_other_numbers_say_so(tmp_path, capsys):
    out = tmp_path / "out"
    assert _index(_folder(tmp_path / "videos", "b", "c"), "--out", out) == 0
    assert "have changed" not in capsys.readouterr().out
    assert _index(_folder(tmp_path / "videos", "a"), "--out", out, "--force") == 0
    told = capsys.readouterr().out
    assert "numbers of classes have changed" in told
    assert ["0", "b", "a"] in [line.split() for line in told.splitlines()]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "run\nair guitar\n"),
        ("classInd.txt", "1 run\n2 air guitar\n"),
        ("numbers.txt", "0 run\n1 air guitar\n"),
        ("labels.json", '{"air guitar": "1", "run": "0"}'),
    ],
)
def test_the_files_that_data_sets_bring(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_class_file(tmp_path / name) == ["run", "air guitar"]


def test_kinetics_annotations_number_their_classes_by_the_alphabet(tmp_path):
    rows = "label,youtube_id,time_start,time_end,split\ntesting,aaaaaaaaaaa,84,94,validate\n"
    (tmp_path / "validate.csv").write_text(rows + '"air guitar",bbbbbbbbbbb,84,94,validate\ntesting,c,1,2,validate\n')
    assert read_class_file(tmp_path / "validate.csv") == ["air guitar", "testing"]


def test_a_name_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "classes.txt").write_text("run\njump\nrun\n")
    with pytest.raises(ValueError, match=r"'run' is there twice, as class 0 and 2"):
        read_class_file(tmp_path / "classes.txt")
