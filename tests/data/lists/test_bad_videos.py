from __future__ import annotations

import json
import logging
import multiprocessing

import torch

from rhovideo.data.lists.bad_videos import BadVideoLedger, Failure, append_failures
from rhovideo.data.loading.loader import Batch


def batch(indices, failed=(), valid=None, epoch=0) -> Batch:
    failures = [Failure(i, f"/v/{i}.mp4", f"reason {i}", i + 1, epoch, "/v/train.csv") for i in failed]
    indices = torch.tensor(indices)
    valid = torch.ones(len(indices), dtype=torch.bool) if valid is None else torch.tensor(valid)
    return Batch(torch.zeros(len(indices), 1), indices, torch.zeros_like(indices), valid, failures)


def listed(ledger: BadVideoLedger) -> list[dict]:
    return [json.loads(line) for line in ledger.file.read_text().splitlines()]


def test_bad_videos_are_listed_and_logged_once(tmp_path, caplog):
    ledger = BadVideoLedger(tmp_path / "out", 0.1)
    with caplog.at_level(logging.WARNING):
        ledger.record(batch([0, 1], failed=[7]))
        ledger.record(batch([2, 3], failed=[7, 8, 7], epoch=1))
    assert [line["path"] for line in listed(ledger)] == ["/v/7.mp4", "/v/8.mp4"]
    assert listed(ledger)[1] == {
        "path": "/v/8.mp4",
        "csv": "/v/train.csv",
        "line": 9,
        "reason": "reason 8",
        "epoch": 1,
    }
    assert sum("/v/7.mp4" in record.getMessage() for record in caplog.records) == 1


def test_no_bad_video_leaves_no_file(tmp_path):
    ledger = BadVideoLedger(tmp_path / "out", 0.1)
    ledger.record(batch([0, 1]))
    assert not ledger.file.exists()


def test_resumed_run_does_not_list_again_but_reports(tmp_path):
    BadVideoLedger(tmp_path, 0.1).record(batch([0], failed=[5]))
    again = BadVideoLedger(tmp_path, 0.1)
    reading = again.record(batch([0, 1], failed=[5, 6]))
    assert [line["path"] for line in listed(again)] == ["/v/5.mp4", "/v/6.mp4"]
    assert reading == ([0, 1, 5, 6], [5, 6], 0)


def test_verdict_needs_a_hundred_videos_and_more_than_the_share(tmp_path):
    ledger = BadVideoLedger(tmp_path, 0.1)
    assert ledger.verdict(99, 99) is None
    assert ledger.verdict(100, 10) is None
    message = ledger.verdict(100, 11)
    assert "11 of 100" in message
    assert "DATA.MAX_BAD_VIDEO_SHARE" in message
    assert str(ledger.file) in message


def test_sample_without_any_readable_video_stops_at_once(tmp_path):
    ledger = BadVideoLedger(tmp_path, 0.1)
    reading = ledger.record(batch([0, 1], failed=[1], valid=[True, False]))
    assert reading.exhausted == 1
    message = ledger.verdict(2, 1, reading.exhausted)
    assert "no readable video" in message
    assert "/v/1.mp4: reason 1" in message


def _append_many(file, first, start) -> None:
    start.wait()
    for number in range(first, first + 60, 3):
        rows = range(number, number + 3)
        append_failures(file, [Failure(i, f"/v/{i}", "x" * 3000, i, 0, "") for i in rows])


def test_processes_append_whole_lines_without_repeating(tmp_path):
    context = multiprocessing.get_context("fork")
    start = context.Event()
    # Each path is listed by two of the processes.
    firsts = (0, 0, 30, 60, 60)
    file = tmp_path / "bad_videos.jsonl"
    processes = [context.Process(target=_append_many, args=(file, first, start)) for first in firsts]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join()
    paths = [json.loads(line)["path"] for line in file.read_text().splitlines()]
    assert sorted(paths) == sorted(f"/v/{i}" for i in range(120))
