"""Names of classes beside the lists, and the numbers on which two lists of them disagree."""

from __future__ import annotations

import os

from rhovideo.data.lists.classes.class_names import as_table, other_names, read_class_names, write_class_names


def test_names_are_read_as_they_were_written_even_if_they_are_no_text(tmp_path):
    names = ["air guitar", "café", os.fsdecode(b"\xff1"), "", "last"]
    write_class_names(tmp_path, names)
    assert read_class_names(tmp_path) == names
    write_class_names(tmp_path, [])
    assert read_class_names(tmp_path) == []
    assert not (tmp_path / "classes.txt").exists()


def test_a_pipe_has_no_names_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "classes.txt")
    assert read_class_names(tmp_path) == []


def test_a_file_from_windows_has_the_same_names(tmp_path):
    (tmp_path / "classes.txt").write_bytes("\ufeffrun\r\njump\r\n\r\n".encode())
    assert read_class_names(tmp_path) == ["run", "jump"]


def test_only_numbers_with_two_names_differ():
    assert other_names(["jump", "run", "swim"], ["run", "swim"]) == [(0, "jump", "run"), (1, "run", "swim")]
    assert other_names(["Air Guitar", "run", ""], ["air_guitar", "run", "swim", "walk"]) == []
    # "1" and "-1" are two classes here, so the hyphen makes a difference.
    assert other_names(["1", "-1"], ["-1", "1"]) == [(0, "1", "-1"), (1, "-1", "1")]


def test_a_table_shows_ten_names_at_most():
    lines = as_table(other_names([f"a{n}" for n in range(12)], [f"b{n}" for n in range(12)]), "one", "two").splitlines()
    assert lines[0].split() == ["number", "one", "two"]
    assert lines[10].split() == ["9", "a9", "b9"]
    assert len(lines) == 12
    assert "2 more" in lines[11]
