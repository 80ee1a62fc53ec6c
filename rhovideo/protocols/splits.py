"""Data sets with several official splits, as UCF101 and HMDB51: the mean over the splits counts. Without torch."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rhovideo.config.findings import ConfigError, Origin, Problem
from rhovideo.config.list_names import is_split
from rhovideo.engine.evaluation.intervals import in_brackets
from rhovideo.protocols.outcome import NUMBERS, figure_beside, heading

FIRST_SPLIT = "split1"
_LIST = "train.csv"


def split_folders(data: Path) -> list[Path]:
    """The folders split1, split2, ... of a folder that has no lists of its own; empty where it has none.

    Raises:
        ConfigError: a number is left out, or one of them has no list.
    """
    if (data / _LIST).exists() or not data.is_dir():
        return []
    names = {path.name for path in data.iterdir() if is_split(path.name) and path.is_dir()}
    folders = [data / f"split{number}" for number in range(1, len(names) + 1)]
    remedy = "the folder that `rhovideo index --ucf101` or `--hmdb51` writes, or the folder of one split"
    for folder in folders:
        if folder.name not in names:
            wrong = f"{data} has {', '.join(sorted(names))} and no {folder.name}, and the mean is over all splits"
            raise ConfigError(Problem("", Origin("--data"), wrong, remedy))
        if not any((folder / f"{split}.csv").is_file() for split in ("train", "test")):
            wrong = f"{folder} has neither {_LIST} nor test.csv"
            raise ConfigError(Problem("", Origin("--data"), wrong, remedy))
    return folders


def combine(outcomes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The content of eval.json of all splits.

    Args:
        outcomes: by split, the content of its eval.json. All are of one checkpoint, protocol and setting.

    Returns:
        ``value``, ``results`` and ``deviation``: the means and the sample standard deviations over the splits, in
        percent; ``splits``: the outcome of each.
    """
    first = next(iter(outcomes.values()))
    numbers = [key for _, key in NUMBERS[first["protocol"]]]
    measured = {key: [one["results"].get(key) for one in outcomes.values()] for key in numbers}
    known = {key: values for key, values in measured.items() if None not in values}
    means = {key: statistics.fmean(values) for key, values in known.items()}
    same = ("checkpoint", "file", "name", "encoder", "protocol", "dataset", "metric", "settings", "changed", "rhovideo")
    return {
        **{key: first[key] for key in same},
        "data": str(Path(first["data"]).parent),
        "value": means.get(first["metric"]),
        "results": means,
        "deviation": {key: statistics.stdev(values) for key, values in known.items() if len(values) > 1},
        "splits": dict(outcomes),
    }


def as_text(outcome: Mapping[str, Any]) -> str:
    """Lines for the terminal: the mean of each number, and the main one of each split.

    Args:
        outcome: from :func:`combine`.
    """
    splits = outcome["splits"]
    lines = [f"{heading(outcome)}; mean of {len(splits)} splits"]
    for name, key in NUMBERS[outcome["protocol"]]:
        if key in outcome["results"]:
            lines.append(f"  {name:<10} {outcome['results'][key]:6.2f} %{_deviation(outcome, key)}")
    metric = outcome["metric"]
    for name, one in splits.items():
        # The published figures are of the first split.
        figure = figure_beside(one) if name == FIRST_SPLIT else ""
        value = one["value"]
        number = "none" if value is None else f"{value:6.2f} %{in_brackets(one['results'].get(f'{metric}_interval'))}"
        lines.append(f"  {name:<10} {number}{figure}")
    if outcome["deviation"]:
        lines.append("  ±: standard deviation over the splits")
    return "\n".join(lines)


def _deviation(outcome: Mapping[str, Any], key: str) -> str:
    return f" ± {outcome['deviation'][key]:.2f}" if key in outcome["deviation"] else ""
