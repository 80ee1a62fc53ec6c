"""What is told first when several ranks fail."""

from __future__ import annotations

import pytest

from rhovideo.errors import JobError
from rhovideo.launch.failures import Failure, death, read_failures, report, write_failure


def test_first_failure_is_told_in_full_and_the_others_in_a_line(tmp_path):
    for rank, error in ((2, ZeroDivisionError("first")), (0, RuntimeError("Connection closed by peer"))):
        write_failure(tmp_path, rank, error)
    text = report(4, read_failures(tmp_path, 4), {})
    assert text.splitlines()[0] == "rank 2 of 4 failed:"
    assert "ZeroDivisionError: first" in text
    assert text.splitlines()[-1] == "  rank 0: RuntimeError: Connection closed by peer"


def test_a_cause_that_was_told_late_comes_before_its_consequences():
    words = {0: Failure(2.0, "JobError: disk full", "disk full"), 1: Failure(1.0, "RuntimeError: reset by peer", "...")}
    assert report(2, words, {}).startswith("rank 0 of 2 failed:\ndisk full")


def test_a_killed_rank_comes_before_those_that_miss_it(tmp_path):
    write_failure(tmp_path, 0, RuntimeError("Connection closed by peer"))
    text = report(2, read_failures(tmp_path, 2), {1: death(-9)})
    assert text.startswith("rank 1 of 2 was killed (SIGKILL)")
    assert "rank 0: RuntimeError" in text


def test_a_foreseen_failure_is_its_message_and_said_once():
    same = [Failure(time, "JobError: no list", "no list") for time in (2.0, 1.0)]
    assert report(2, dict(enumerate(same)), {}) == "rank 1 of 2 failed:\nno list"


def test_no_word_at_all_is_said():
    assert report(3, {}, {}) == "all 3 ranks ended without a word"


def test_a_foreseen_failure_has_no_traceback(tmp_path):
    write_failure(tmp_path, 0, JobError("write another OUTPUT_DIR"))
    assert read_failures(tmp_path, 1)[0].traceback == "write another OUTPUT_DIR"


def test_a_full_disk_does_not_hide_the_failure(tmp_path):
    (tmp_path / "file").write_text("")
    write_failure(tmp_path / "file" / "folder", 0, RuntimeError("the real one"))


@pytest.mark.parametrize(("code", "said"), [(3, "exit code 3"), (-9, "SIGKILL"), (-11, "SIGSEGV")])
def test_how_a_process_ended(code, said):
    assert said in death(code)
