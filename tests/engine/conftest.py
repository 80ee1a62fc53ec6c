from __future__ import annotations

import pytest

from rhovideo.config import load_cfg
from tests.configured_runs import write_config


@pytest.fixture
def configure(tmp_path, synthetic_set):
    """Loads the tiny configuration of a task with overrides."""

    def load(task, *overrides, output="out"):
        config = write_config(tmp_path / f"{output}.yaml", tmp_path / output, task)
        words = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "MODEL.NUM_CLASSES", 3, *overrides]
        return load_cfg(config, [str(word) for word in words])

    return load
