"""A plugin whose logger does what a file beside the run folder says: ``die`` or ``hang``."""

from __future__ import annotations

import os
import signal
import time

import rhovideo
from rhovideo import stopping


@rhovideo.register_logger("trouble")
class Trouble:
    def __init__(self, run):
        self.folder = run.folder
        orders = run.folder.parent / f"{run.folder.name}.orders"
        self.orders = orders.read_text() if orders.exists() else ""

    def numbers(self, values, step):
        if self.orders == "die":
            print("the last words of a library", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if self.orders == "hang":
            (self.folder / "hangs").write_text(str(os.getpid()))
            until = time.monotonic() + 300
            while not stopping.requested() and time.monotonic() < until:
                time.sleep(0.05)

    def close(self):
        pass
