"""The table of docs/pyslowfast_files.md holds what the files amount to, where there is a checkout of PySlowFast."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from rhovideo.config import load_cfg
from rhovideo.config.keys import leaves

CHECKOUT = os.environ.get("RHOVIDEO_PYSLOWFAST", "")
PAGE = Path(__file__).parents[2] / "docs/pyslowfast_files.md"
FILES = {
    "BYOL": "BYOL_SlowR50_8x8",
    "MoCo": "MoCo_SlowR50_8x8",
    "SimCLR": "SimCLR_SlowR50_8x8",
    "SwAV": "SwAV_Slow_R50_8x8",
    **{f"K400 syn{n}": f"linear_k400_Slow_8x8_R50_syn{n}" for n in (0, 8)},
    **{f"UCF syn{n}": f"finetune_ucf_Slow_R50_syn{n}" for n in (0, 8)},
    **{f"SSv2 syn{n}": f"finetune_SSv2_Slow_R50_syn{n}" for n in (0, 8)},
}


def table() -> dict[str, dict[str, str]]:
    """Column to key to value, of both tables."""
    found: dict[str, dict[str, str]] = {}
    columns: list[str] = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        key = re.fullmatch(r"`([A-Z0-9_.]+)`(?: †)?", cells[0])
        if cells[0] == "key":
            columns = cells[1:]
        elif key and columns and line.startswith("|"):
            for column, value in zip(columns, cells[1:], strict=True):
                found.setdefault(column, {})[key[1]] = value
        elif not line.startswith("|"):
            columns = []
    return found


def test_there_is_a_column_for_each_file_that_runs():
    assert table().keys() == FILES.keys()
    assert all(len(column) >= 24 for column in table().values())


@pytest.mark.skipif(not CHECKOUT, reason="RHOVIDEO_PYSLOWFAST names no checkout of PySlowFast")
@pytest.mark.parametrize("column", FILES)
def test_a_column_is_what_the_file_is_resolved_to(column):
    cfg = dict(leaves(load_cfg(Path(CHECKOUT) / f"configs/contrastive_ssl/{FILES[column]}.yaml")))
    for key, shown in table()[column].items():
        value = yaml.safe_load(shown)
        # YAML takes 1e-06 for a text.
        value = float(value) if isinstance(cfg[key], float) else value
        assert value == (list(cfg[key]) if isinstance(cfg[key], tuple) else cfg[key]), key
