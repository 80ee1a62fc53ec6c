"""Run folders as real runs leave them: logs by the real loggers, records by the launcher's own functions."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from rhovideo.config import load_cfg
from rhovideo.runs.records import Job, Study, StudyCell, append_attempt, write_job, write_study


def configure(run: Path, task: str, *overrides: object, config: str | None = None) -> Any:
    """Begin a run: its folder, its config.yaml and its stdout.log."""
    cfg = load_cfg(config, ["TASK", task, "OUTPUT_DIR", str(run), "LOG_PERIOD", 1, *overrides])
    run.mkdir(parents=True, exist_ok=True)
    (run / "config.yaml").write_text(cfg.dump())
    (run / "stdout.log").write_text("TASK\n")
    return cfg


def train(cfg: Any, steps: int = 5, of: int = 10, loss: float = 2.5, evaluation: dict | None = None) -> None:
    """Steps of the first epoch in the log, with an evaluation before the last one."""
    from rhovideo.engine.log.step_logger import StepLogger

    log = StepLogger(cfg, steps_per_epoch=of)
    log.start_epoch(0)
    for step in range(steps):
        if step == steps - 1 and evaluation:
            log.evaluation(evaluation)
        log.data_arrived()
        log.step(step, 0.1, {"loss": loss})
    log.close()


def finish(run: Path, task: str, **numbers: float) -> None:
    (run / "results.json").write_text(json.dumps({"task": task, **numbers}))
    # Later than config.yaml, on file systems that count in seconds too.
    soon = time.time() + 2
    os.utime(run / "results.json", (soon, soon))


def submit(run: Path, job_id: str, task: str = "pretrain", **values: Any) -> Job:
    """The record of a submission of two nodes with two tasks each."""
    run.mkdir(parents=True, exist_ok=True)
    record = {"config": "c.yaml", "submitted": time.time(), **values}
    slurm_folder = run / "slurm"
    slurm_folder.mkdir(exist_ok=True)
    job = Job(
        name=run.name,
        task=task,
        job_id=job_id,
        output_dir=str(run),
        slurm_folder=str(slurm_folder),
        nodes=2,
        tasks_per_node=2,
        **record,
    )
    write_job(run, job)
    return job


def started(run: Path, job_id: str, attempt: int = 1, nodes: str = "node[0-1]") -> None:
    event = {"event": "start", "attempt": attempt, "job_id": job_id, "nodes": nodes, "time": time.time()}
    append_attempt(run, event | {"progress": [0, 0]})


def ended(run: Path, job_id: str, outcome: str, attempt: int = 1, requeued: bool = False, why: str = "") -> None:
    event = {"event": "end", "attempt": attempt, "job_id": job_id, "time": time.time(), "exit_code": 0}
    append_attempt(run, event | {"outcome": outcome, "requeued": requeued, "why": why, "progress": [0, 0]})


def study(folder: Path, cells: dict[str, dict[str, str]], jobs: list[str]) -> None:
    """A study's record: cells by name with their values, each with the same chain."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = list(dict.fromkeys(key for values in cells.values() for key in values))
    sweep = {key: list(dict.fromkeys(values[key] for values in cells.values())) for key in keys}
    chains = [StudyCell(name, values, [f"{name}/{job}" for job in jobs]) for name, values in cells.items()]
    write_study(folder, Study(time.time(), chains, sweep))
