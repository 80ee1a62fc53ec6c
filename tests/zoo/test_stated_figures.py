"""The paper's numbers, typed here a second time from its tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rhovideo.zoo.stated_figures
from rhovideo.zoo.figures import FIGURES, PAPER
from rhovideo.zoo.stated_figures import stated, stated_cells

# Table, row, column, measure and the number; "d" behind one that is arithmetic on two stated numbers.
PAPER_SAYS = """
table2 | 1 | SimCLR | K | 36.1
table2 | 2 | SimCLR | K | 60.5
table2 | 3 | SimCLR | K | 62.0 d
table2 | 1 | SwAV | K | 38.6
table2 | 2 | SwAV | K | 61.6
table2 | 2 | MoCo | K | 65.8
table2 | 3 | MoCo | K | 67.3
table2 | 2 | BYOL | K | 65.8
table2 | 3 | BYOL | K | 68.3 d
table2 | 4 | BYOL | K | 68.9
table2 | 4 | BYOL | U | 93.8
table3 | 200 | SimCLR | K | 60.5
table3 | 200 | SwAV | K | 61.6
table3 | 200 | BYOL | K | 65.8
table3 | 200 | MoCo | K | 65.8
table3 | 200 | Supervised | K | 74.7
table3 | 400 | Supervised | K | 74.3
table3 | 800 | Supervised | K | 72.7
table4b | unlimited |  | K | 64.1
table5 | R-50, 8×8 | Supervised | K | 74.7
table5 | R-50, 8×8 | MoCo | K | 65.8
table5 | R(2+1)D | Supervised | K | 71.7
table5 | R(2+1)D | MoCo | K | 57.2
table5 | R(2+1)D | MoCo | U | 93.7
table6a | 200 | MoCo | K | 69.0
table6a | 200 | SwAV | K | 64.3
figure3 | none | MoCo | K | 42.2
figure3 | none | BYOL | K | 32.4
figure3 | T S C | SimCLR | K | 60.5
figure3 | T S C | SwAV | K | 61.6
figure3 | T S C | BYOL | K | 65.8
figure3 | T S C | MoCo | K | 65.8
figure3 | S C | SimCLR | K | 36.1
figure3 | S C | SwAV | K | 38.6
table8 | short side |  | K | 65.8
table8 | area 0.49-0.76 |  | K | 64.8 d
table8 | area 0.49-0.76, aspect |  | K | 65.4
table8 | area 0.2-0.76 |  | K | 66.8
table9 | base | BYOL | U | 93.8
table9 | aug+ | BYOL | K | 70.0
table9 | aug+ | MoCo | K | 69.0
table9 | aug+ | MoCo | U | 93.6
table10 | Supervised |  | K | 74.7
table10 | MoCo |  | K | 67.3
table10 | Supervised |  | Charades | 34.7
table10 | MoCo |  | Charades | 33.5
table10 | BYOL |  | Charades | 21.0 d
table10 | Supervised |  | SSv2 | 52.8
table10 | BYOL |  | SSv2 | 55.8
table10 | MoCo on IG-Curated |  | K | 69.9
table10 | MoCo on IG-Uncurated |  | K | 66.0 d
table10 | MoCo on IG-Uncurated |  | Charades | 31.3 d
table11 | S3D-G |  | U | 96.3 d
table11 | S3D-G |  | H | 75.0 d
table11 | R-50, 16×4 |  | K | 71.5 d
table13 | 2 | 200 | K | 69.0
table13 | 3 | 200 | K | 69.9
figure4 | 240k | K400 | K | 65.8
figure4 | 240k | IG-Curated | K | 63.2
figure4 | 240k | IG-Curated-Unbalanced | K | 63.1
figure4 | 240k | IG-Uncurated | K | 60.6
figure4 | 1M | IG-Curated | K | 69.0
figure4 | 1M | IG-Uncurated | K | 65.4
table14 | K400, rho 4 |  | K | 69.0
table14 | K400, rho 4 |  | K600 | 70.0
table14 | K400, rho 4 |  | K700 | 54.2
table14 | K400, rho 4 |  | U | 93.6
table14 | K700, rho 4 |  | K | 71.7 d
table14 | K700, rho 4 |  | K600 | 73.2 d
table14 | K700, rho 4 |  | K700 | 58.1 d
table14 | K700, rho 4 |  | U | 94.8 d
table15 | 0.999 |  | K | 64.5
table16 | projection 2 | SimCLR | K | 59.0 d
table16 | projection 2 | SwAV | K | 60.3 d
table16 | projection 2 | MoCo | K | 64.6 d
table16 | projection 2 | BYOL | K | 65.8
table16 | projection 3 | SimCLR | K | 60.5
table16 | projection 3 | SwAV | K | 61.6
table16 | projection 3 | MoCo | K | 65.8
table16 | projection 3 | BYOL | K | 65.8 d
table16 | predictor 2 | BYOL | K | 65.8
table16 | predictor 3 | BYOL | K | 63.6 d
figure5 | none | BYOL | K | 32.9
"""
ROWS = [[part.strip() for part in line.split("|")] for line in PAPER_SAYS.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row[:4]))
def test_a_number_is_the_paper_s(row):
    *cell, number = row
    value, _, derived = number.partition(" ")
    found = stated(*cell)
    assert found is not None
    assert (found.value, found.derived) == (float(value), derived == "d")


def test_no_other_cell_has_a_number():
    cells = stated_cells()
    assert sorted(cells) == sorted(tuple(row[:4]) for row in ROWS)
    assert len(set(cells)) == len(cells)
    assert stated("table2", "4", "MoCo", "K") is None
    assert stated("table10", "BYOL", "", "AVA") is None


def test_a_number_of_two_uses_is_written_once():
    """The figures by settings take theirs from the tables, and name the same method and rho."""
    source = Path(rhovideo.zoo.stated_figures.__file__).with_name("figures.py").read_text(encoding="utf-8")
    of_tables = [figure for figure in FIGURES if figure.source == PAPER]
    assert len(of_tables) == 13
    lines = "\n".join(line for line in source.splitlines() if "_released(" not in line)
    assert re.findall(r"\b\d\d\.\d\b", lines) == []
    spelled = {"simclr": "SimCLR", "swav": "SwAV", "byol": "BYOL", "moco": "MoCo"}
    for figure in of_tables:
        table, row = ("table9", "aug+") if figure.strong_augmentation else ("table2", str(figure.rho))
        measure = {"K400": "K", "UCF101": "U"}[figure.protocol.dataset]
        assert figure.value == stated(table, row, spelled[figure.method], measure).value
