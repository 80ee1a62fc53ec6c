"""The work of one process of a job, once its process group exists."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
from fvcore.common.config import CfgNode

from rhovideo import distributed, stopping
from rhovideo.atomic_files import write_text
from rhovideo.checks.finished_runs import refuse, set_aside, standing
from rhovideo.checks.lists.class_agreement import check_class_names, record_class_names
from rhovideo.checks.lists.whole_lists import check_whole_lists
from rhovideo.checks.video_sizes import compare_videos, look_at_videos, with_sizes, write_sizes
from rhovideo.config.findings import Finding
from rhovideo.config.task_defaults import TRAINS
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.loading.workers import cores, worker_count
from rhovideo.engine.device_inputs import job_device, use_sound_kernels
from rhovideo.engine.evaluation.feature_file import check_features, has_blocks
from rhovideo.engine.evaluation.intervals import Numbers
from rhovideo.engine.log.cpu_notes import note_cpu, note_mixed_precision
from rhovideo.engine.log.json_stats import to_json
from rhovideo.engine.log.logging_setup import set_up_logging
from rhovideo.engine.tasks.classify import run_classify
from rhovideo.engine.tasks.detect import run_detection, run_detection_test
from rhovideo.engine.tasks.extract import run_extract
from rhovideo.engine.tasks.knn import run_knn
from rhovideo.engine.tasks.logistic import run_logistic
from rhovideo.engine.tasks.multi_view_test import run_test
from rhovideo.engine.tasks.pretrain import run_pretrain
from rhovideo.errors import JobError
from rhovideo.runs.folder import CONFIG_FILE, RESULTS_FILE, list_checkpoints, read_results
from rhovideo.runs.inputs import Inputs, described, measure, read_inputs, record_start
from rhovideo.runs.lock import held
from rhovideo.runs.sessions import CPU, session
from rhovideo.terminal import print_line, stage

logger = logging.getLogger(__name__)

RUNNERS: dict[str, Callable[[CfgNode], Numbers]] = {
    "pretrain": run_pretrain,
    "linear": run_classify,
    "finetune": run_classify,
    "detection": run_detection,
    "detection_test": run_detection_test,
    "test": run_test,
    "knn": run_knn,
    "logistic": run_logistic,
    "extract": run_extract,
}


def run(cfg: CfgNode) -> Numbers:
    """Do the configuration's TASK on this process, with the others of its process group.

    Args:
        cfg: from :func:`rhovideo.load_cfg`.

    Returns:
        The task's final numbers; rank 0 also writes them to ``OUTPUT_DIR/results.json``.

    Raises:
        JobError: OUTPUT_DIR is in use, a list of videos is wrong, or the like; the message says what to do.
        Stopped: it was asked to stop; the same call goes on.
    """
    with held(cfg.OUTPUT_DIR) if distributed.is_main() else contextlib.nullcontext():
        done = _done_before(cfg)
        if done is not None:
            return done
        with _timed(cfg):
            return _run(cfg)


def _timed(cfg: CfgNode) -> contextlib.AbstractContextManager[None]:
    """Record how long the block takes, and on which devices."""
    if not distributed.is_main():
        return contextlib.nullcontext()
    device = job_device(cfg)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else CPU
    return session(cfg.OUTPUT_DIR, distributed.world_size(), name)


def _done_before(cfg: CfgNode) -> dict[str, float] | None:
    """The numbers of this very run, if it has finished in OUTPUT_DIR: nothing is written there then; else None.

    Raises:
        JobError: another run has finished there.
    """
    found: tuple[list[Finding], dict[str, float] | None, list[str]] = ([], None, [])
    if distributed.is_main():
        stands = standing(cfg)
        numbers = {key: value for key, value in read_results(cfg.OUTPUT_DIR).items() if key != "task"}
        found = refuse(cfg, stands), numbers if stands.finished else None, stands.notes
    # Rank 0 looks for all: on a network file system the others may still see an older file.
    findings, results, notes = distributed.gather_objects(found)[0]
    for finding in findings:
        raise JobError(f"{finding.wrong}: write {finding.write}", keys=finding.keys)
    if results is not None and cfg.TASK == "extract":
        check_features(Path(cfg.OUTPUT_DIR), results)
    if results is not None and distributed.is_main():
        shown = ", ".join(f"{name} {value}" for name, value in results.items())
        print_line(f"{cfg.OUTPUT_DIR} is finished with these settings, and stays as it is: {shown or 'no numbers'}")
        for note in notes:
            print_line(note)
    return results


def _run(cfg: CfgNode) -> Numbers:
    set_up_logging(cfg.OUTPUT_DIR, distributed.rank())
    use_sound_kernels(cfg)
    output = Path(cfg.OUTPUT_DIR)
    if distributed.is_main():
        set_aside(output)
        record = _record_inputs(cfg, output)
        write_text(output / CONFIG_FILE, cfg.dump())
        for item in record.inputs:
            logger.info("Input: %s", item)
        logger.info("Code: %s", described(record.code))
        logger.info(
            "TASK %s on %s; every key is in %s/config.yaml", _task(cfg), _count(distributed.world_size()), output
        )
        note_cpu(cfg)
        _warn_of_workers(cfg)
        note_mixed_precision(cfg)
    stage("reading the lists")
    shared = check_whole_lists(cfg)
    for finding in check_class_names(cfg):
        raise ManifestError(str(finding), keys=finding.keys)
    distributed.barrier()
    if distributed.is_main():
        record_class_names(cfg)
    stage(f"preparing TASK {_task(cfg)}")
    stopping.leave_if_requested("before the first step")
    started = time.monotonic()
    results = RUNNERS[cfg.TASK](cfg) | shared
    if distributed.is_main():
        write_text(output / RESULTS_FILE, to_json({"task": cfg.TASK, **results}) + "\n")
        logger.info(_end(cfg, time.monotonic() - started))
    distributed.barrier()
    return results


def _record_inputs(cfg: CfgNode, output: Path) -> Inputs:
    """Write what the run depends on now, and warn of videos that were replaced since it began.

    Raises:
        JobError: features of the videos as they were are there already, of an extraction that is not complete.
    """
    stage("looking at the sizes of the videos")
    now, before = measure(cfg), read_inputs(output)
    sizes = look_at_videos(cfg, now)
    for difference in compare_videos(cfg, output, before.inputs, now, sizes).differences if before else ():
        if cfg.TASK == "extract" and has_blocks(output):
            raise JobError(f"{output} holds features, and {difference}: write another OUTPUT_DIR (--out), or empty it")
        logger.warning("%s: %s", output, difference)
    write_sizes(output, sizes)
    return record_start(output, with_sizes(now, sizes))


def _task(cfg: CfgNode) -> str:
    """The task's name for people; TASK knn is two protocols of ``rhovideo eval``."""
    return "knn (nearest neighbours and retrieval)" if cfg.TASK == "knn" else cfg.TASK


def _count(processes: int) -> str:
    return "1 process" if processes == 1 else f"{processes} processes"


def _end(cfg: CfgNode, seconds: float) -> str:
    """The last line of a job's log, with the places of its results."""
    checkpoints = list_checkpoints(cfg.OUTPUT_DIR) if cfg.TASK in TRAINS else []
    made = f"; checkpoint {checkpoints[0]}" if checkpoints else ""
    took = timedelta(seconds=round(seconds))
    return f"TASK {_task(cfg)} is finished after {took}; numbers in {Path(cfg.OUTPUT_DIR) / RESULTS_FILE}{made}"


def _warn_of_workers(cfg: CfgNode) -> None:
    """Warn of more workers than cores, once; torch would do so for every list."""
    there_are = cores()
    if worker_count(cfg) > there_are:
        there = "1 CPU core" if there_are == 1 else f"{there_are} CPU cores"
        logger.warning(
            "DATA_LOADER.NUM_WORKERS is %d, more than the %s: this takes memory and is not faster; write "
            "DATA_LOADER.NUM_WORKERS %d or less",
            *(cfg.DATA_LOADER.NUM_WORKERS, there, there_are),
        )
