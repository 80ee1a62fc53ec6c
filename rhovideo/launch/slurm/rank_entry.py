"""The function that srun starts on every rank: it calls ``run(cfg)`` and turns its end into an exit code.

Torch is imported only after the signal handlers are set: a preemption may come while it loads.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo import stopping
from rhovideo.errors import JobError
from rhovideo.launch.failures import leave, write_failure
from rhovideo.launch.slurm import job_environment
from rhovideo.launch.slurm.submitit_adapter import stop_signal
from rhovideo.runs import records


class SlurmTask:
    """A job on one rank, which submitit pickles and calls.

    Args:
        cfg: a loaded configuration.
        source: the checkpoint key to fill in when this job starts, and the run folder of the earlier job of the chain
            that writes the checkpoint. None where the configuration names its checkpoint or needs none.
        plugin_folders: the folders of the plugins that were copied with the code, and of what they import.
    """

    def __init__(
        self, cfg: CfgNode, source: tuple[str, Path] | None = None, plugin_folders: Sequence[str] = ()
    ) -> None:
        self.cfg = cfg
        self.source = source
        self.plugin_folders = plugin_folders

    def __call__(self) -> dict[str, Any]:
        """Run the job on this rank.

        Returns:
            The task's numbers, or ``{"stopped": reason}``: both are a success to SLURM, and the batch script requeues
            a job that was stopped. A failure ends the process at once, so that no thread can keep it alive.
        """
        _listen()
        job_environment.enter_work_folder()
        rank = int(os.environ["SLURM_PROCID"])
        try:
            return self._run()
        except stopping.Stopped as stopped:
            return _stopped(self.cfg, rank, stopped.reason)
        except BaseException as error:
            reason = stopping.requested()
            if reason and not isinstance(error, JobError):
                # Ranks that are asked to stop in an evaluation stop one by one; those that wait for others then fail.
                return _stopped(self.cfg, rank, reason)
            write_failure(job_environment.failures_folder(), rank, error)
            leave(1)

    def _run(self) -> dict[str, Any]:
        from submitit.helpers import TorchDistributedEnvironment

        from rhovideo import distributed
        from rhovideo.config.extension.plugins import look_in
        from rhovideo.engine.run import run
        from rhovideo.launch.chains import with_checkpoint
        from rhovideo.launch.rank_setup import Rank, prepare_rank

        # All GPUs of the node stay visible, so that they can copy directly; each rank takes its own by its number.
        job = TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        look_in(self.plugin_folders)
        cfg = with_checkpoint(self.cfg, self.source)
        cores = int(os.environ.get("SLURM_CPUS_PER_TASK", "0")) or None
        prepare_rank(cfg, Rank(job.rank, job.world_size, job.local_world_size, cores=cores))
        try:
            results = run(cfg)
            if job.rank == 0:
                # results.json may be that of an earlier attempt: a run that has finished before writes nothing.
                records.append_attempt(cfg.OUTPUT_DIR, {"event": "succeeded", "attempt": job_environment.attempt()})
            return results
        finally:
            distributed.shut_down()


def _listen() -> None:
    """Set signal handlers in place of submitit's, which would requeue from within and ignore SIGTERM."""
    early = stop_signal()
    stopping.listen(
        {
            signal.SIGTERM: "preempted or cancelled (SIGTERM)",
            early: f"preempted or out of time ({early.name})",
        }
    )


def _stopped(cfg: CfgNode, rank: int, reason: str) -> dict[str, Any]:
    if rank == 0:
        event = {"event": "stopped", "attempt": job_environment.attempt(), "reason": reason, "time": time.time()}
        records.append_attempt(cfg.OUTPUT_DIR, event)
    return {"stopped": reason}
