"""MLflow. Its own variables say where to: MLFLOW_TRACKING_URI, MLFLOW_TRACKING_TOKEN. Without: OUTPUT_DIR/mlruns."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator, Mapping

import numpy as np

from rhovideo.engine.loggers.protocol import LoggedRun, ServerAwayError
from rhovideo.engine.loggers.remote_ids import read_id, write_id
from rhovideo.errors import SettingError

# MLflow's own repeats would send a request that makes a run again while a slow server still works on the first, and
# there would be two runs. Guarded repeats, and looks before it makes one.
_NO_REPEATS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
# A tag of our runs in MLflow, by which a run is found whose id never came back.
_KEY = "rhovideo.key"
# HTTP's codes for a server that is there and cannot answer now.
_BUSY = (408, 425, 429)
# MLflow's limits of one call, and of a parameter's text.
_PARAMETERS_AT_ONCE = 100
_LONGEST_VALUE = 500


class MlflowLogger:
    """Logs to one MLflow run for each run folder, also over resumes.

    A resume makes the steps since its checkpoint again, with the same numbers. MLflow would keep both; so a number
    whose step is at or before the last one of its name is left out here.

    Args:
        run: what is logged.

    Raises:
        SettingError: MLflow is not installed.
        ServerAwayError: its server does not answer.
    """

    def __init__(self, run: LoggedRun) -> None:
        for name, value in _NO_REPEATS.items():
            os.environ.setdefault(name, value)
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Metric
        except ImportError:
            raise SettingError("MLflow is not installed: run pip install 'rhovideo[mlflow]'") from None
        self._metric = Metric
        self._is_remote = bool(os.environ.get("MLFLOW_TRACKING_URI"))
        if not self._is_remote:
            # MLflow wants to be asked for its store of plain files, which needs no database.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        self._last: dict[str, int] = {}
        # The step that is being sent, and the time of its numbers: the same when it is sent again.
        self._sent: tuple[int, list[str], int] | None = None
        # Experiment and key of a run that this launch has made.
        self._begun: tuple[str, str] | None = None
        with self._server():
            self._client = MlflowClient(None if self._is_remote else (run.folder / "mlruns").as_uri())
            known = read_id(run.folder, "mlflow")
            self._run_id = known or self._begin(run)
            if known:
                self._go_on(run)

    def _begin(self, run: LoggedRun) -> str:
        """The id of the run on the server, made where no earlier request has made it."""
        from mlflow.entities import Param

        key = read_id(run.folder, _KEY)
        if key is None:
            key = secrets.token_hex(8)
            # Before the request: its answer may never come.
            write_id(run.folder, _KEY, key)
        experiment = self._experiment(run.project)
        if not self._made(experiment, key):
            tags = {f"tag.{tag}": "true" for tag in run.tags} | ({"study": run.group} if run.group else {})
            self._client.create_run(experiment, tags={**tags, _KEY: key}, run_name=run.name)
        self._begun = experiment, key
        run_id = self._made(experiment, key)[0]
        parameters = [Param(name, str(value)[:_LONGEST_VALUE]) for name, value in run.settings.items()]
        for first in range(0, len(parameters), _PARAMETERS_AT_ONCE):
            self._client.log_batch(run_id, params=parameters[first : first + _PARAMETERS_AT_ONCE])
        write_id(run.folder, "mlflow", run_id)
        return run_id

    def _made(self, experiment: str, key: str) -> list[str]:
        """The ids of the runs with our key."""
        found = self._client.search_runs([experiment], f"tags.`{_KEY}` = '{key}'")
        return [each.info.run_id for each in found]

    def _go_on(self, run: LoggedRun) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(self._run_id, tags=[RunTag("resumed_at_step", str(run.first_step))])
        self._client.update_run(self._run_id, status="RUNNING")
        for name in self._client.get_run(self._run_id).data.metrics:
            history = self._client.get_metric_history(self._run_id, name)
            self._last[name] = max(point.step for point in history)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Add the numbers in one request."""
        names = list(values)
        if self._sent is None or self._sent[:2] != (step, names):
            self._sent = step, names, int(time.time() * 1000)
        now = self._sent[2]
        new = [
            self._metric(name, value, now, step) for name, value in values.items() if step > self._last.get(name, -1)
        ]
        if new:
            with self._server():
                self._client.log_batch(self._run_id, metrics=new)

    def picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        """Keep a PNG among the run's artifacts."""
        with self._server():
            self._client.log_image(self._run_id, pixels, artifact_file=f"{name}/step_{step:07d}.png")

    def embeddings(self, rows: np.ndarray, labels: np.ndarray, step: int) -> None:
        """Keep rows and labels as text among the run's artifacts."""
        lines = ["\t".join([str(label), *(f"{x:.6g}" for x in row)]) for row, label in zip(rows, labels, strict=True)]
        with self._server():
            self._client.log_text(self._run_id, "\n".join(lines) + "\n", f"embeddings/step_{step:07d}.tsv")

    def close(self) -> None:
        """Mark the run as ended."""
        with self._server():
            self._client.set_terminated(self._run_id)
            if self._begun is not None:
                # Requests whose answer came too late may have made others.
                for other in self._made(*self._begun):
                    if other != self._run_id:
                        self._client.delete_run(other)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        made: str = found.experiment_id if found else self._client.create_experiment(name)
        return made

    @contextlib.contextmanager
    def _server(self) -> Iterator[None]:
        """Raise ServerAwayError in the place of errors inside that mean that the server does not answer now."""
        try:
            yield
        except Exception as error:
            if self._is_remote and _is_away(error):
                raise ServerAwayError(str(error)) from error
            raise


def _is_away(error: BaseException) -> bool:
    """True for errors of the network, which MLflow raises its own after, and for a server's 5xx and its like."""
    status = getattr(error, "get_http_status_code", None)
    cause: BaseException | None = error
    while cause is not None:
        # A wrong address is a ValueError too, and stays wrong.
        if isinstance(cause, OSError):
            return not isinstance(cause, ValueError)
        cause = cause.__cause__ or cause.__context__
    return status is not None and (status() >= 500 or status() in _BUSY)
