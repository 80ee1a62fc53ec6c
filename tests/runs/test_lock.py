from __future__ import annotations

import errno
import fcntl

import pytest

from rhovideo.errors import JobError
from rhovideo.runs.lock import held, held_to_submit, is_held


def test_second_job_in_the_same_folder_is_refused_until_the_first_has_ended(tmp_path):
    refused = pytest.raises(JobError, match="another job is running in OUTPUT_DIR")
    with held(tmp_path / "out"), refused, held(tmp_path / "out", patience=0.2):
        pass
    with held(tmp_path / "out", patience=0.2):
        pass


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError, match=r"OUTPUT_DIR .*file/out cannot be written to"), held(tmp_path / "file/out"):
        pass


def test_whether_a_folder_is_held_is_told_without_disturbing_anybody(tmp_path):
    assert not is_held(tmp_path / "out")
    with held(tmp_path / "out"):
        assert is_held(tmp_path / "out")
        assert is_held(str(tmp_path / "out"))
    assert not is_held(tmp_path / "out")
    with (tmp_path / "out/.lock").open() as somebody_asks:
        fcntl.flock(somebody_asks, fcntl.LOCK_SH)
        assert not is_held(tmp_path / "out")


def test_a_submission_waits_for_another_one_and_not_for_a_job(tmp_path):
    refused = pytest.raises(JobError, match=r"another submission into .*out is under way")
    with held(tmp_path / "out"), held_to_submit(tmp_path / "out"):
        assert is_held(tmp_path / "out")
        with refused, held_to_submit(tmp_path / "out", patience=0.2):
            pass
    with held_to_submit(tmp_path / "out", patience=0.2):
        assert not is_held(tmp_path / "out")


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch, caplog):
    def no_locks(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with held(tmp_path / "out"):
        assert not is_held(tmp_path / "out")
    [warning] = caplog.records
    assert warning.levelname == "WARNING"
    assert "out/.lock: no file locks here (No locks available)" in warning.getMessage()
