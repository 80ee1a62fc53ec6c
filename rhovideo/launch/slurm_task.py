"""What srun starts on every rank: from submitit's environment to ``run(cfg)``, and from its end to an exit code.

Torch is imported only once the signals are listened to: a preemption may come while it loads.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo import stopping
from rhovideo.errors import JobError
from rhovideo.launch import batch, records
from rhovideo.launch.failures import write_failure
from rhovideo.run_folder import list_checkpoints


class SlurmTask:
    """The function that submitit pickles, and calls on every rank.

    Args:
        cfg: a loaded configuration.
        source: where the checkpoint of an earlier job of the chain is to be looked for when this job starts: the key to
            fill in and the earlier job's run folder. None where the configuration names its checkpoint or needs none.
    """

    def __init__(self, cfg: CfgNode, source: tuple[str, Path] | None = None) -> None:
        self.cfg = cfg
        self.source = source

    def __call__(self) -> dict[str, Any]:
        """Run the job on this rank.

        Returns:
            The task's numbers, or ``{"stopped": reason}``: both are a success to SLURM, and the batch script requeues
            what was stopped. A failure ends the process, so that no other thread of it can keep it alive.
        """
        _listen()
        batch.enter_work_folder()
        rank = int(os.environ["SLURM_PROCID"])
        try:
            return self._run()
        except stopping.Stopped as stopped:
            return _stopped(self.cfg, rank, stopped.reason)
        except BaseException as error:
            reason = stopping.requested()
            if reason and not isinstance(error, JobError):
                # Ranks that are asked to stop in an evaluation leave one by one; those who wait for them fail.
                return _stopped(self.cfg, rank, reason)
            write_failure(batch.failures_folder(), rank, error)
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)

    def _run(self) -> dict[str, Any]:
        from submitit.helpers import TorchDistributedEnvironment

        from rhovideo import distributed
        from rhovideo.engine.run import run
        from rhovideo.launch.ranks import prepare_rank

        # All GPUs of the node stay visible, as peers need it to talk directly; each rank takes its own by its number.
        job = TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        cfg = self._with_checkpoint()
        prepare_rank(cfg, job.local_world_size, nodes=job.world_size // job.local_world_size)
        try:
            return run(cfg)
        finally:
            distributed.shut_down()

    def _with_checkpoint(self) -> CfgNode:
        if self.source is None:
            return self.cfg
        key, folder = self.source
        found = list_checkpoints(folder)
        if not found:
            raise JobError(
                f"{key} is to be the checkpoint of {folder}, and there is none: see `rhovideo logs {folder}`"
            )
        cfg = self.cfg.clone()
        cfg.defrost()
        cfg.merge_from_list([key, str(found[0])])
        cfg.freeze()
        return cfg


def _listen() -> None:
    """Take the signals over from submitit, whose handler would requeue from within and ignores SIGTERM."""
    from submitit import JobEnvironment

    stopping.listen(
        {
            signal.SIGTERM: "preempted or cancelled (SIGTERM)",
            JobEnvironment._usr_sig(): f"preempted or out of time (SIG{JobEnvironment.USR_SIG})",
        }
    )


def _stopped(cfg: CfgNode, rank: int, reason: str) -> dict[str, Any]:
    if rank == 0:
        event = {"event": "stopped", "attempt": batch.attempt(), "reason": reason, "time": time.time()}
        records.append_attempt(cfg.OUTPUT_DIR, event)
    return {"stopped": reason}
