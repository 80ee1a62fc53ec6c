"""``OUTPUT_DIR/metrics.csv``: step, name, value; one number a line."""

from __future__ import annotations

import csv
from collections.abc import Mapping

from rhovideo.atomic_files import write_text
from rhovideo.engine.loggers.protocol import LoggedRun

METRICS_FILE = "metrics.csv"
_HEADER = "step,name,value\n"


class CsvLogger:
    """Adds a line for each number; pictures and embeddings are left out.

    New names may come at any step, so a number has a line and not a column. ``pandas.read_csv(...).pivot(index="step",
    columns="name", values="value")`` makes the columns. On a resume the lines after the checkpoint are cut off.

    Args:
        run: what is logged.
    """

    def __init__(self, run: LoggedRun) -> None:
        path = run.folder / METRICS_FILE
        try:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]
        except FileNotFoundError:
            lines = []
        write_text(path, _HEADER + "".join(line for line in lines if _is_kept(line, run.first_step)))
        self._file = path.open("a", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Add a line for each number."""
        self._writer.writerows((step, name, f"{value:.8g}") for name, value in values.items())
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _is_kept(line: str, first_step: int) -> bool:
    """True for a whole line of a step that a resume does not make again; an evaluation at its first step it does."""
    step, _, rest = line.partition(",")
    if not step.isdigit() or not line.endswith("\n"):
        return False
    return int(step) < first_step or (int(step) == first_step and not rest.startswith("val_"))
