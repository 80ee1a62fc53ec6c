"""``sessions.jsonl`` in a run folder: how long each start of a run took, on how many devices. Without torch.

Two lines a start: ``begin``, and ``session`` once it is over, whether it has finished, stopped or failed. A process
that is killed writes no second line. Then the next start writes it, up to the last line of the run's log; the time
after that line is not known.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhovideo.atomic_files import append_line
from rhovideo.runs.folder import LOG_FILE, STATS_FILE, changed

SESSIONS_FILE = "sessions.jsonl"
CPU = "CPU"


@dataclass(frozen=True)
class DeviceTime:
    """The time that devices were held.

    Attributes:
        gpu: seconds of GPUs, added over all of them.
        cpu: seconds of processes on processors alone.
    """

    gpu: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: DeviceTime) -> DeviceTime:
        return DeviceTime(self.gpu + other.gpu, self.cpu + other.cpu)


@contextlib.contextmanager
def session(output_dir: str | Path, devices: int, device: str) -> Iterator[None]:
    """Record the time of the block in a run folder, which is made where it is missing.

    Args:
        output_dir: the run folder; only one process of a run records.
        devices: processes of the run, each with a device.
        device: the GPU's name, or CPU.
    """
    folder = Path(output_dir)
    # A run goes on without this record, as it does without a line of its log.
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        lost = _lost(folder, _events(folder))
        for event in [*lost, {"event": "begin", "time": time.time(), "devices": devices, "device": device}]:
            append_line(folder / SESSIONS_FILE, json.dumps(event))
    began = time.monotonic()
    try:
        yield
    finally:
        event = {"event": "session", "seconds": round(time.monotonic() - began, 3)}
        with contextlib.suppress(OSError):
            append_line(folder / SESSIONS_FILE, json.dumps(event | {"devices": devices, "device": device}))


def device_time(output_dir: str | Path) -> DeviceTime | None:
    """The time of all starts of a run together, also of one that runs or was killed, up to the last line of its log.

    Returns:
        None where nothing is recorded.
    """
    folder = Path(output_dir)
    events = _events(folder)
    if not events:
        return None
    total = DeviceTime()
    for event in [*events, *_lost(folder, events)]:
        if event["event"] == "session":
            seconds = event["seconds"] * event["devices"]
            total += DeviceTime(cpu=seconds) if event["device"] == CPU else DeviceTime(gpu=seconds)
    return total


def wall_seconds(output_dir: str | Path) -> float | None:
    """Seconds of all starts of a run, one after the other; None where nothing is recorded."""
    folder = Path(output_dir)
    events = _events(folder)
    sessions = [event for event in [*events, *_lost(folder, events)] if event["event"] == "session"]
    return sum(event["seconds"] for event in sessions) if events else None


def last_devices(output_dir: str | Path) -> str:
    """The devices of a run's last start, such as ``8 x NVIDIA H200`` or ``CPU``; empty where nothing is recorded."""
    events = _events(Path(output_dir))
    if not events:
        return ""
    count, name = events[-1]["devices"], str(events[-1]["device"])
    return f"{count} x {name}" if count > 1 else name


def _lost(folder: Path, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The line of the last start, where it has begun and not ended: up to the last line of the log."""
    if not events or events[-1]["event"] != "begin":
        return []
    begin = events[-1]
    last = max(changed(folder / STATS_FILE), changed(folder / LOG_FILE))
    seconds = max(0.0, round(last - begin["time"], 3))
    return [{"event": "session", "seconds": seconds, "devices": begin["devices"], "device": begin["device"]}]


def _events(folder: Path) -> list[dict[str, Any]]:
    """The lines of the file; those that were cut off or damaged are left out."""
    try:
        lines = (folder / SESSIONS_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    events = []
    for line in lines:
        try:
            event = json.loads(line)
            number = event["time"] if event["event"] == "begin" else event["seconds"]
            whole = isinstance(number, int | float) and isinstance(event["devices"], int) and event["device"]
        except (ValueError, TypeError, LookupError):
            continue
        if whole:
            events.append(event)
    return events
