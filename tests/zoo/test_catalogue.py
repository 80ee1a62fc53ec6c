from __future__ import annotations

import subprocess
import sys

import pytest

from rhovideo.zoo.catalogue import ENTRIES, entry_named, entry_of_file


def test_the_seven_released_files():
    """As PySlowFast lists them."""
    assert {entry.file for entry in ENTRIES} == {
        *(f"{method}_SlowR50_8x8_T2_epoch_00200.pyth" for method in ("MoCo", "BYOL", "SimCLR", "SwAV")),
        *(f"{method}_SlowR50_8x8_T4_epoch_00200.pyth" for method in ("MoCo", "BYOL")),
        "BYOL_SlowR50_16x4_T4_epoch_00200.pyth",
    }


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_entry_is_found_by_its_name_its_file_and_its_address(entry):
    assert entry_named(entry.name) is entry_named(entry.name.upper()) is entry
    assert (
        entry_of_file(f"/data/{entry.file}") is entry_of_file(entry.url) is entry_of_file(f"{entry.url}?a=b") is entry
    )
    assert entry_named(entry.file) is None
    assert entry_of_file(entry.name) is None


def test_figures_are_the_released_ones():
    figures = entry_named("byol_slow_r50_16x4_rho4").figures
    assert [(figure.protocol.dataset, figure.value) for figure in figures] == [("K400", 71.1), ("UCF101", 95.4)]
    assert [figure.value for figure in entry_named("moco_slow_r50_8x8_rho2").figures] == [66.6, 91.3, 19.7, 52.7]


def test_names_are_known_without_torch():
    code = "import sys, rhovideo.zoo.catalogue, rhovideo.zoo.sources; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
