"""The part of a batch script around srun: it counts the attempts, records how they ended, and requeues.

Run as ``python -m rhovideo.launch.slurm.batch_script start FOLDER`` and ``... end FOLDER EXIT_CODE``, with submitit's
folder, and as ``... setup FOLDER EXIT_CODE LINE`` where a line of SLURM.SETUP has failed.
The ranks cannot requeue themselves: one that was killed does nothing any more.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rhovideo.errors import JobError
from rhovideo.launch.failures import Exit, Failure, death, headline, keep_report, read_exits, read_failures, report
from rhovideo.launch.slurm import job_queue
from rhovideo.launch.slurm.job_environment import (
    ATTEMPT_VARIABLE,
    Place,
    attempt,
    failures_folder,
    free_port,
    place_of,
    write_environment,
)
from rhovideo.launch.slurm.submitit_adapter import log_file
from rhovideo.runs import records
from rhovideo.runs.folder import progress

# SLURM's own, and those that submitit may be set to.
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
# Bytes of the log's end in which an error of srun is looked for.
_END_OF_LOG = 65536
_ERROR_OF_SLURM = re.compile(r"^(?:srun|slurmstepd)\S*: (?:error|fatal): (.+)$", re.MULTILINE)


def start(folder: Path) -> int:
    """Count a new attempt, print its number and the port of its rank 0; nothing where there is nothing to do."""
    place = place_of(folder)
    if place.finished:
        _say(f"{place.run} was finished before this submission: nothing to do")
        return 0
    number, port = _count_attempt(place), free_port()
    write_environment(folder, number, port)
    print(number, port)
    return 0


def setup(folder: Path, code: int, line: str) -> int:
    """Record that a line of SLURM.SETUP has ended the job before it began; the exit code of the batch script."""
    place = place_of(folder)
    os.environ[ATTEMPT_VARIABLE] = str(_count_attempt(place))
    outcome = _decided_by_others(place)
    if outcome is None:
        what = f"failed with exit code {code}" if code else "ended the script"
        why = f"SLURM.SETUP: the line `{line}` {what}: mend it in cluster.yaml or in the configuration"
        keep_report(place.run, why, why)
        outcome = {"outcome": records.FAILED, "requeued": False, "why": why}
    _record_end(place, code or 1, outcome)
    _say(f"{_heading(attempt(), place)} {outcome['outcome']}: {outcome['why']}")
    return code or 1


def _count_attempt(place: Place) -> int:
    """Record a new attempt; its number."""
    number = 1 + sum(event["event"] == "start" for event in records.read_attempts(place.run))
    nodes = os.environ.get("SLURM_JOB_NODELIST", "")
    event = {"event": "start", "attempt": number, "job_id": place.job_id, "nodes": nodes, "time": time.time()}
    records.append_attempt(place.run, event | {"progress": progress(place.run)})
    _say(_heading(number, place) + f", on {nodes}")
    return number


def _heading(number: int, place: Place) -> str:
    return f"attempt {number} of job {place.job_id}"


def end(folder: Path, code: int) -> int:
    """Record how the attempt ended, and requeue it if that makes sense; the exit code of the batch script."""
    place = place_of(folder)
    outcome = _outcome(place, code)
    # Before requeueing, which kills this process.
    _record_end(place, code, outcome)
    why = f": {outcome['why']}" if outcome["why"] else ""
    _say(f"{_heading(attempt(), place)} {outcome['outcome']}{why}")
    if not outcome["requeued"]:
        return 0 if outcome["outcome"] == records.FINISHED else code or 1
    return _requeue(place)


def _outcome(place: Place, code: int) -> dict[str, Any]:
    """The end event's ``outcome``, ``requeued`` and ``why``."""
    events = [event for event in records.read_attempts(place.run) if event.get("attempt") == attempt()]
    stopped = next((event["reason"] for event in events if event["event"] == "stopped"), None)
    if code == 0 and stopped is None:
        if _has_results(place):
            return {"outcome": records.FINISHED, "requeued": False, "why": "all ranks succeeded"}
        code = 1  # srun has exit code 0 too where it could not start a single rank.
    failures, exits = read_failures(failures_folder(), place.ranks), read_exits(failures_folder(), place.ranks)
    if code and stopped is None and _signalled_while_deaf(code, failures, exits):
        if _has_results(place):
            return {
                "outcome": records.FINISHED,
                "requeued": False,
                "why": "all ranks had succeeded when it was preempted",
            }
        code, stopped = 0, "preempted while it started"
    if code:
        _write_report(place, failures, exits)
    if decided := _decided_by_others(place):
        return decided
    if code == 0:
        return {"outcome": records.STOPPED, "requeued": True, "why": f"{stopped}; it goes on from its checkpoint"}
    return {"outcome": records.FAILED, **_after_failure(place, events)}


def _decided_by_others(place: Place) -> dict[str, Any] | None:
    """The end of a job that a person or SLURM is ending: scancel, a requeue by hand, a failed node."""
    if (place.run / records.CANCELLED_FILE).exists():
        return {"outcome": records.CANCELLED, "requeued": False, "why": ""}
    state = _job_state()
    if state in ("RUNNING", ""):
        return None
    outcome = records.CANCELLED if state == "CANCELLED" else records.STOPPED
    return {"outcome": outcome, "requeued": False, "why": f"SLURM is ending the job ({state})"}


def _has_results(place: Place) -> bool:
    """True if rank 0 has said in this attempt that the results are there: a file alone may be an earlier one's."""
    events = records.read_attempts(place.run)
    return any(event["event"] == "succeeded" and event.get("attempt") == attempt() for event in events)


def _after_failure(place: Place, events: list[dict[str, Any]]) -> dict[str, Any]:
    # The event is missing where the disk was full; then any checkpoint counts.
    started_at = next((tuple(event["progress"]) for event in events if event["event"] == "start"), (0, 0))
    before = _failures_in_a_row(place)
    if progress(place.run) <= started_at:
        return {
            "requeued": False,
            "why": "no checkpoint was written since this attempt began, so another would fail alike",
        }
    if before >= place.max_failures:
        return {"requeued": False, "why": f"SLURM.MAX_FAILURES, {place.max_failures}, is used up"}
    return {
        "requeued": True,
        "why": f"failure {before + 1} of at most {place.max_failures}; it goes on from its checkpoint",
    }


def _failures_in_a_row(place: Place) -> int:
    """Failed attempts of this job since the last one that stopped as it was asked to."""
    ends = [event for event in records.read_attempts(place.run) if event["event"] == "end"]
    outcomes = [event["outcome"] for event in reversed(ends) if event["job_id"] == place.job_id]
    return len(list(itertools.takewhile(lambda outcome: outcome == records.FAILED, outcomes)))


def _write_report(place: Place, failures: Mapping[int, Failure], exits: Mapping[int, Exit]) -> None:
    """Put together the reports and the exit codes of the ranks, and show it."""
    silent = _silent(failures, exits)
    whole, line = report(place.ranks, failures, silent), headline(place.ranks, failures, silent)
    if not failures and not exits and (said := _words_of_srun(place)):
        whole, line = (f"no rank has started: {text}" for text in ("\n".join(said), said[-1]))
    text = f"{_heading(attempt(), place)} failed\n{whole}\n"
    keep_report(place.run, line, text)
    print(text, file=sys.stderr, flush=True)


def _words_of_srun(place: Place) -> list[str]:
    """What srun and SLURM's daemons have said in this attempt of why they did not start the ranks."""
    try:
        with open(log_file(place.folder, place.job_id, 0, "err"), "rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _END_OF_LOG))
            text = log.read().decode(errors="replace")
    except OSError:
        return []
    of_attempt = text.rpartition(_heading(attempt(), place))[2]
    return list(dict.fromkeys(_ERROR_OF_SLURM.findall(of_attempt)))


def _silent(failures: Mapping[int, Failure], exits: Mapping[int, Exit]) -> dict[int, str]:
    """The ends of ranks that left no report and made the others fail; empty if a reported failure came first."""
    if not all(failure.of_a_lost_peer for failure in failures.values()):
        return {}
    return {
        rank: f"on {ended.node} ended by itself: it {death(ended.code)}"
        for rank, ended in exits.items()
        if rank not in failures
    }


def _signalled_while_deaf(code: int, failures: Mapping[int, Failure], exits: Mapping[int, Exit]) -> bool:
    """True if the signal to stop ended the interpreters while they were starting or leaving."""
    # Before the shells around them were ready, srun's exit code alone says so.
    signals = [-ended.code for ended in exits.values()] or [code - 128]
    return not failures and all(number in _STOP_SIGNALS for number in signals)


def _job_state() -> str:
    """SLURM's state of this job; empty where SLURM does not answer."""
    try:
        shown = job_queue.ask(["scontrol", "show", "job", "--oneliner", os.environ["SLURM_JOB_ID"]])
    except job_queue.SlurmError:
        return ""
    found = re.search(r"JobState=(\S+)", shown.stdout)
    return found[1] if found else ""


def _requeue(place: Place) -> int:
    command = ["scontrol", "requeue", os.environ["SLURM_JOB_ID"]]
    try:
        done = job_queue.ask(command)
        error = done.stderr.strip() if done.returncode else ""
    except job_queue.SlurmError as failure:
        error = str(failure)
    if not error:
        return 0
    why = f"`{' '.join(command)}` failed ({error}): submit the same command again with --resume"
    _record_end(place, 1, {"outcome": records.FAILED, "requeued": False, "why": why})
    _say(why)
    return 1


def _record_end(place: Place, code: int, outcome: dict[str, Any]) -> None:
    event = {"event": "end", "attempt": attempt(), "job_id": place.job_id, "time": time.time(), "exit_code": code}
    records.append_attempt(place.run, event | outcome | {"progress": progress(place.run)})


def _say(text: str) -> None:
    # To stderr: the script reads the attempt's number from stdout.
    print(f"rhovideo: {time.strftime('%Y-%m-%d %H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Run ``start FOLDER``, ``setup FOLDER EXIT_CODE LINE`` or ``end FOLDER EXIT_CODE``; the exit code."""
    what, folder = arguments[0], Path(arguments[1])
    try:
        if what == "start":
            return start(folder)
        return setup(folder, int(arguments[2]), arguments[3]) if what == "setup" else end(folder, int(arguments[2]))
    except JobError as error:
        _say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
