"""A list that was indexed apart from the classes.txt next to it has other numbers, which its folders show."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rhovideo.cli import main
from tests.checks.lists.list_findings import findings_of


def _index(root: Path, out: Path, *classes: str, files: str = "abcd") -> Path:
    for name in classes:
        for file in files:
            (root / name).mkdir(parents=True, exist_ok=True)
            (root / name / f"{file}.mp4").touch()
    assert main(["index", str(root), "--out", str(out)]) == 0
    return out


def _found(folder: Path, task: str = "linear") -> list[tuple[str, str]]:
    found = findings_of(folder, task, classes=3)
    return [(finding.severity, str(finding)) for finding in found if "folders of other classes" in finding.wrong]


@pytest.mark.parametrize("task", ["linear", "knn"])
def test_a_test_list_of_a_folder_that_lacks_a_class_is_refused(tmp_path, task):
    lists = _index(tmp_path / "videos", tmp_path / "lists", "jump", "run", "swim")
    assert _found(lists, task) == []
    apart = _index(tmp_path / "more", tmp_path / "apart", "run", "swim")
    shutil.copy(apart / "train.csv", lists / "test.csv")
    [(severity, told)] = _found(lists, task)
    assert severity == "error"
    rows = [line.split() for line in told.splitlines()]
    assert ["0", "jump", "run"] in rows
    assert ["1", "run", "swim"] in rows
    assert "--classes" in told


def test_folders_that_are_no_classes_are_not_judged(tmp_path):
    lists = _index(tmp_path / "videos", tmp_path / "lists", "jump", "run", "swim")
    # All videos in one folder that has the name of a class.
    (tmp_path / "run").mkdir()
    for number in range(3):
        (tmp_path / f"run/{number}.mp4").touch()
    (lists / "test.csv").write_text("".join(f"{tmp_path}/run/{number}.mp4 {number}\n" for number in range(3)))
    assert _found(lists) == []
    (lists / "classes.txt").write_text("Hochsprung\nLauf\nSchwimmen\n")
    assert _found(lists) == []


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("jump\nrun\njump\n", "classes.txt, line 3: 'jump' is the name of line 1 too"),
        ("jump\nrun\n", "classes.txt names 2 classes, and"),
        ("", "classes.txt names 0 classes, and"),
        ("jump\n\nswim\n", None),
        ("jump\nrun\nswim\nfly\n", None),
    ],
)
def test_names_that_do_not_fit_the_labels_are_warned_of(tmp_path, names, told):
    lists = _index(tmp_path / "videos", tmp_path / "lists", "jump", "run", "swim")
    (lists / "classes.txt").write_text(names)
    found = [str(each) for each in findings_of(lists, "linear", 3) if "classes.txt" in each.wrong]
    assert all(each.severity == "warning" for each in findings_of(lists, "linear", 3) if "classes.txt" in each.wrong)
    assert bool(found) == (told is not None)
    assert told is None or any(told in one for one in found)
