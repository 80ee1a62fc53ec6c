"""MLflow. Its own variables say where to: MLFLOW_TRACKING_URI, MLFLOW_TRACKING_TOKEN. Without: OUTPUT_DIR/mlruns."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import numpy as np

from rhovideo.engine.loggers.protocol import LoggedRun
from rhovideo.engine.loggers.remote_ids import read_id, write_id
from rhovideo.errors import SettingError

# MLflow's own are 120 s and 7 repeats: a server that hangs would be asked for a quarter of an hour.
_REQUEST = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
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
    """

    def __init__(self, run: LoggedRun) -> None:
        for name, value in _REQUEST.items():
            os.environ.setdefault(name, value)
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Metric, Param, RunTag
        except ImportError:
            raise SettingError("MLflow is not installed: run pip install 'rhovideo[mlflow]'") from None
        self._metric = Metric
        local = None if os.environ.get("MLFLOW_TRACKING_URI") else (run.folder / "mlruns").as_uri()
        if local is not None:
            # MLflow wants to be asked for its store of plain files, which needs no database.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        self._client = MlflowClient(local)
        self._last: dict[str, int] = {}
        run_id = read_id(run.folder, "mlflow")
        if run_id is None:
            tags = {f"tag.{tag}": "true" for tag in run.tags} | ({"study": run.group} if run.group else {})
            made = self._client.create_run(self._experiment(run.project), tags=tags, run_name=run.name)
            run_id = made.info.run_id
            write_id(run.folder, "mlflow", run_id)
            parameters = [Param(key, str(value)[:_LONGEST_VALUE]) for key, value in run.settings.items()]
            for first in range(0, len(parameters), _PARAMETERS_AT_ONCE):
                self._client.log_batch(run_id, params=parameters[first : first + _PARAMETERS_AT_ONCE])
        else:
            self._client.log_batch(run_id, tags=[RunTag("resumed_at_step", str(run.first_step))])
            self._client.update_run(run_id, status="RUNNING")
            for name in self._client.get_run(run_id).data.metrics:
                self._last[name] = max(point.step for point in self._client.get_metric_history(run_id, name))
        self._run_id = run_id

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Add the numbers in one request."""
        now = int(time.time() * 1000)
        new = [
            self._metric(name, value, now, step) for name, value in values.items() if step > self._last.get(name, -1)
        ]
        if new:
            self._client.log_batch(self._run_id, metrics=new)

    def picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        """Keep a PNG among the run's artifacts."""
        self._client.log_image(self._run_id, pixels, artifact_file=f"{name}/step_{step:07d}.png")

    def embeddings(self, rows: np.ndarray, labels: np.ndarray, step: int) -> None:
        """Keep rows and labels as text among the run's artifacts."""
        lines = ["\t".join([str(label), *(f"{x:.6g}" for x in row)]) for row, label in zip(rows, labels, strict=True)]
        self._client.log_text(self._run_id, "\n".join(lines) + "\n", f"embeddings/step_{step:07d}.tsv")

    def close(self) -> None:
        """Mark the run as ended."""
        self._client.set_terminated(self._run_id)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        made: str = found.experiment_id if found else self._client.create_experiment(name)
        return made
