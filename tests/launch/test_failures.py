"""What is told first when several ranks fail."""

from __future__ import annotations

import pytest
import torch

from rhovideo.errors import JobError, LostPeerError
from rhovideo.launch.failures import Failure, death, headline, keep_report, read_failures, report, write_failure
from rhovideo.runs.folder import FAILURE_FILE


def test_first_failure_is_told_in_full_and_the_others_in_a_line(tmp_path):
    for rank, error in ((2, ZeroDivisionError("first")), (0, LostPeerError("Connection closed by peer"))):
        write_failure(tmp_path, rank, error)
    text = report(4, read_failures(tmp_path, 4), {})
    assert text.splitlines()[0] == "rank 2 of 4 failed:"
    assert "ZeroDivisionError: first" in text
    assert text.splitlines()[-1] == "  rank 0: rhovideo.errors.LostPeerError: Connection closed by peer"


def test_a_cause_that_was_told_late_comes_before_its_consequences():
    lost = Failure(1.0, "LostPeerError: reset", "...", of_a_lost_peer=True)
    words = {0: Failure(2.0, "disk full", "disk full"), 1: lost}
    assert report(2, words, {}).startswith("rank 0 of 2 failed:\ndisk full")
    assert headline(2, words, {}) == "rank 0 of 2 failed: disk full"


def test_errors_of_torchs_collectives_are_those_of_a_lost_peer(tmp_path):
    write_failure(tmp_path, 0, torch.distributed.DistBackendError("NCCL error in: ..."))
    write_failure(tmp_path, 1, RuntimeError("gloo, NCCL and a peer in the text"))
    failures = read_failures(tmp_path, 2)
    assert [failures[rank].of_a_lost_peer for rank in range(2)] == [True, False]


def test_a_killed_rank_comes_before_those_that_miss_it(tmp_path):
    write_failure(tmp_path, 0, LostPeerError("Connection closed by peer"))
    text = report(2, read_failures(tmp_path, 2), {1: death(-9)})
    assert text.startswith("rank 1 of 2 was killed (SIGKILL)")
    assert "rank 0: rhovideo.errors.LostPeerError" in text
    assert headline(2, read_failures(tmp_path, 2), {1: death(-9)}).startswith("rank 1 of 2 was killed (SIGKILL)")


def test_a_foreseen_failure_is_its_message_and_said_once():
    same = [Failure(time, "JobError: no list", "no list") for time in (2.0, 1.0)]
    assert report(2, dict(enumerate(same)), {}) == "rank 1 of 2 failed:\nno list"


def test_no_word_at_all_is_said():
    assert report(3, {}, {}) == headline(3, {}, {}) == "all 3 ranks ended and left no report"


def test_a_report_begins_with_the_failure_in_one_line(tmp_path):
    keep_report(tmp_path, "rank 1 of 4 failed: out of memory", "rank 1 of 4 failed:\nTraceback ...\n\n")
    lines = (tmp_path / FAILURE_FILE).read_text().splitlines()
    assert lines == ["rank 1 of 4 failed: out of memory", "", "rank 1 of 4 failed:", "Traceback ..."]


def test_a_foreseen_failure_has_no_traceback(tmp_path):
    write_failure(tmp_path, 0, JobError("write another OUTPUT_DIR"))
    assert read_failures(tmp_path, 1)[0].traceback == "write another OUTPUT_DIR"


def test_a_full_disk_does_not_hide_the_failure(tmp_path):
    (tmp_path / "file").write_text("")
    write_failure(tmp_path / "file" / "folder", 0, RuntimeError("the real one"))


@pytest.mark.parametrize(("code", "said"), [(3, "exit code 3"), (-9, "SIGKILL"), (-11, "SIGSEGV")])
def test_how_a_process_ended(code, said):
    assert said in death(code)
