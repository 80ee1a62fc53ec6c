"""The time of a run's starts, however they ended."""

from __future__ import annotations

import contextlib
import json
import os
import time

import pytest

from rhovideo.runs.sessions import CPU, SESSIONS_FILE, DeviceTime, device_time, session, wall_seconds


def test_starts_are_added_whether_they_finished_or_failed(tmp_path):
    with contextlib.suppress(ValueError), session(tmp_path, 2, "A GPU"):
        time.sleep(0.05)
        raise ValueError("failed")
    first = device_time(tmp_path)
    assert 0.1 <= first.gpu < 1
    assert first.cpu == 0
    with session(tmp_path, 1, CPU):
        time.sleep(0.05)
    both = device_time(tmp_path)
    assert both.gpu == first.gpu
    assert 0.05 <= both.cpu < 0.5
    assert wall_seconds(tmp_path) == pytest.approx(both.gpu / 2 + both.cpu)


def begin(folder, ago, **values):
    line = {"event": "begin", "time": time.time() - ago, "devices": 4, "device": "A GPU", **values}
    (folder / SESSIONS_FILE).write_text(json.dumps(line) + "\n")


def test_a_killed_start_counts_up_to_the_last_line_of_its_log(tmp_path):
    begin(tmp_path, ago=1000)
    assert device_time(tmp_path) == DeviceTime()
    (tmp_path / "json_stats.log").write_text("json_stats: {}\n")
    os.utime(tmp_path / "json_stats.log", (time.time() - 400, time.time() - 400))
    assert device_time(tmp_path).gpu == pytest.approx(4 * 600, abs=8)
    with session(tmp_path, 4, "A GPU"):
        (tmp_path / "json_stats.log").touch()
        # The running start has taken no time yet, and the killed one keeps its own.
        assert device_time(tmp_path).gpu == pytest.approx(4 * 600, abs=8)
    assert device_time(tmp_path).gpu == pytest.approx(4 * 600, abs=8)


def test_a_log_of_an_earlier_start_adds_no_time(tmp_path):
    (tmp_path / "stdout.log").touch()
    os.utime(tmp_path / "stdout.log", (time.time() - 5000, time.time() - 5000))
    begin(tmp_path, ago=1000)
    assert device_time(tmp_path) == DeviceTime()


def test_damaged_lines_are_left_out(tmp_path):
    assert device_time(tmp_path) is None
    good = {"event": "session", "seconds": 3.0, "devices": 2, "device": CPU}
    lines = [json.dumps(good), json.dumps(good)[:20], "[]", '{"event": "session"}', '{"event": "begin", "time": "x"}']
    (tmp_path / SESSIONS_FILE).write_text("\n".join(lines))
    assert device_time(tmp_path) == DeviceTime(cpu=6.0)


def test_a_folder_that_cannot_be_written_to_stops_no_run(tmp_path):
    (tmp_path / SESSIONS_FILE).mkdir()
    with session(tmp_path, 1, CPU):
        pass
    assert device_time(tmp_path) is None
