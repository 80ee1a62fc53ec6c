"""What the check of lists says of a folder, for the tests of its parts."""

from __future__ import annotations

from pathlib import Path

from rhovideo.checks.lists.job_lists import ListCheck
from rhovideo.config.files.reading import load_cfg
from rhovideo.config.findings import Finding


def findings_of(folder: Path, task: str, classes: int, *overrides: object) -> list[Finding]:
    """The findings of a job on the CPU that reads the lists of a folder, one video a step."""
    keys = {
        "TASK": task,
        "NUM_GPUS": 0,
        "TRAIN.BATCH_SIZE": 1,
        "MODEL.NUM_CLASSES": classes,
        "DATA.PATH_TO_DATA_DIR": folder,
    }
    return ListCheck()(load_cfg(None, [*(word for pair in keys.items() for word in pair), *overrides]))
