"""Weights & Biases. Its own variables say where to: WANDB_API_KEY, WANDB_ENTITY, WANDB_BASE_URL, WANDB_MODE."""

from __future__ import annotations

import atexit
import contextlib
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rhovideo.engine.loggers.protocol import LoggedRun, ServerAwayError
from rhovideo.engine.loggers.remote_ids import read_id, write_id
from rhovideo.errors import SettingError

# Seconds that wandb waits for its server at the start, and at the end. Its own are 90 and for ever.
_INIT_SECONDS = 30.0
_FINISH_SECONDS = 8.0
_EXIT_SECONDS = 3.0


class WandbLogger:
    """Logs to one W&B run for each run folder, also over resumes.

    A resume makes the steps since its checkpoint again, with the same numbers. W&B keeps those that it has: a step at
    or before its last one is left out here.

    Args:
        run: what is logged.

    Raises:
        SettingError: wandb is not installed.
        ServerAwayError: its server does not answer.
    """

    def __init__(self, run: LoggedRun) -> None:
        try:
            import wandb
        except ImportError:
            raise SettingError("wandb is not installed: run pip install 'rhovideo[wandb]'") from None
        self._wandb = wandb
        setup: Any = wandb.setup()
        # Its process starts now, so that the next line comes after wandb's own, and runs before it when Python ends:
        # wandb waits there for the server.
        setup.ensure_service()
        # Once: a start may be repeated.
        atexit.unregister(_tear_down)
        atexit.register(_tear_down, wandb.teardown, setup)
        self._logged = run
        run_id = read_id(run.folder, "wandb")
        if run_id is None:
            run_id = secrets.token_hex(4)
            # Before the run is there: after a crash in between, the resume must not make a second one.
            write_id(run.folder, "wandb", run_id)
        try:
            self._run = self._begin(run, run_id)
        except wandb.errors.CommError as error:
            # The same call is right again: the id is ours.
            raise ServerAwayError(str(error)) from error
        self._first = self._run.step

    def _begin(self, run: LoggedRun, run_id: str) -> Any:
        return self._wandb.init(
            project=run.project,
            id=run_id,
            resume="allow",
            name=run.name,
            group=run.group or None,
            tags=list(run.tags) or None,
            dir=str(run.folder),
            config=dict(run.settings),
            allow_val_change=True,
            settings=self._wandb.Settings(
                init_timeout=_INIT_SECONDS,
                finish_timeout=_FINISH_SECONDS,
                # The log is the run's own, and so are git's state and the code.
                console="off",
                silent=True,
                disable_git=True,
                save_code=False,
            ),
        )

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Add the numbers to the step's row."""
        self._log(dict(values), step)

    def picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        """Add an image to the step's row."""
        self._log({name: self._wandb.Image(pixels)}, step)

    def embeddings(self, rows: np.ndarray, labels: np.ndarray, step: int) -> None:
        """Add a table, which W&B's page shows as a map."""
        columns: list[str | int] = ["label", *(f"d{i}" for i in range(rows.shape[1]))]
        data = [[int(label), *map(float, row)] for row, label in zip(rows, labels, strict=True)]
        self._log({"embeddings": self._wandb.Table(columns=columns, data=data)}, step)

    def close(self) -> None:
        """Send the rest."""
        self._run.finish()

    def _log(self, values: dict[str, object], step: int) -> None:
        if step >= self._first and not self._logged.is_repeated(next(iter(values)), step):
            self._run.log(values, step=step)


def _tear_down(teardown: Callable[[], None], setup: Any) -> None:
    """End wandb's process; one that still waits for the server after some seconds is terminated.

    It holds our standard output, so a pipe after the command would wait for it. What it has not sent lies in the run
    folder, for ``wandb sync``.
    """
    process = None
    # Insides of wandb: where they have other names, the process ends when the server answers.
    with contextlib.suppress(AttributeError):
        process = setup._connection._proc._process
    thread = threading.Thread(target=teardown, daemon=True)
    thread.start()
    thread.join(_EXIT_SECONDS)
    if thread.is_alive() and process is not None:
        process.kill()
        thread.join(1)
