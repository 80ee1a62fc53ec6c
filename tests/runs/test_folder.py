from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rhovideo.atomic_files import append_line, write_text, written_whole
from rhovideo.runs.folder import append_to_log, checkpoint_path, list_checkpoints, progress


def touch(folder, *positions):
    for epoch, step in positions:
        path = checkpoint_path(folder, epoch, step)
        path.parent.mkdir(exist_ok=True)
        path.touch()


def test_progress_is_that_of_the_furthest_checkpoint(tmp_path):
    assert progress(tmp_path) == (0, 0)
    touch(tmp_path, (0, 30), (2, 0))
    assert progress(tmp_path) == (2, 0)
    touch(tmp_path, (2, 7), (1, 900))
    (tmp_path / "checkpoints/checkpoint_epoch_best.pyth").touch()
    assert progress(tmp_path) == (2, 7)
    assert [path.name[17:-5] for path in list_checkpoints(tmp_path)] == [
        "00002_step_0000007",
        "00002",
        "00001_step_0000900",
        "00000_step_0000030",
    ]


def test_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.json", "old £")
    with pytest.raises(TypeError), written_whole(tmp_path / "a.json") as file:
        file.writelines([b"half of the new", 0])
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "old £"


def test_log_that_cannot_be_written_is_nobodys_problem(tmp_path):
    append_to_log(tmp_path / "missing", "text")
    append_to_log(tmp_path, "one\n")
    append_to_log(tmp_path, "two")
    assert (tmp_path / "stdout.log").read_text() == "one\ntwo\n"


def test_line_after_one_that_was_cut_off_stands_alone(tmp_path):
    path = tmp_path / "events.jsonl"
    append_line(path, '{"event": 1}')
    path.write_bytes(path.read_bytes() + b'{"eve')
    append_line(path, '{"event": "zwölf"}')
    append_line(path, '{"event": 3}')
    lines = ['{"event": 1}', '{"eve', '{"event": "zwölf"}', '{"event": 3}']
    assert path.read_text(encoding="utf-8") == "\n".join(lines) + "\n"


@pytest.mark.parametrize("module", ["rhovideo.runs.folder", "rhovideo.stopping", "rhovideo.runs.first_launch"])
def test_what_runs_before_queueing_needs_no_torch(module):
    heavy = "{'torch', 'numpy', 'cv2', 'av'}"
    code = f"import sys, {module}; sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})
