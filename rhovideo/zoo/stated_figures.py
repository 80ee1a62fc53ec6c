"""The numbers that the paper states for the cells of its tables, in percent. Without torch.

Each number is written once. A cell is (table, row, column, measure), with the labels of the study files in
``configs/studies``. All that has no number here has no known one.

Measures: ``K`` (K400 linear, top-1), ``K600`` and ``K700`` (linear there), ``U`` (UCF101 fine-tuned, top-1), ``H``
(HMDB51 fine-tuned, top-1), ``AVA`` (mAP), ``Charades`` (mAP), ``SSv2`` (top-1).

Labels of rows and columns. "methods" are SimCLR, SwAV, BYOL and MoCo; a table without columns has the column "".

    table     rows                                                           columns
    table2    rho: 1, 2, 3, 4                                                methods
    table3    epochs: 50, 100, 200, 400, 800                                 methods, Supervised
    table4a   K400, largest distance in seconds: 0, 2, ..., unlimited        ""
    table4b   the same on IG-Curated                                         ""
    table4c   the same on IG-Uncurated                                       ""
    table5    R-18, 8×8; R-50, 8×8; R-50, 16×4; R-101, 8×8; R-101, 16×4;     Supervised, MoCo
              R(2+1)D; S3D-G
    table6a   epochs on IG-Curated: 50, 200                                  methods
    table6b   the same on IG-Uncurated                                       methods
    table6c   the same on IG-Uncurated-Short                                 methods
    figure3   what is on: T S C, T S, T C, S C, T, S, C, none                methods
    table7    base; colour 0.75; colour 1.0; grey 0.4; difference;           ""
              frame rate
    table8    short side; area 0.49-0.76; area 0.49-0.76, aspect;            ""
              area 0.2-0.76; area 0.08-1, aspect
    table9    base, aug+                                                     MoCo, BYOL
    table10   From scratch, Supervised, methods, MoCo on IG-Curated,         ""
              MoCo on IG-Uncurated
    table11   S3D-G; R-50, 8×8; R-50, 16×4 (U and H: means of three splits)  ""
    table12   200 epochs, rho 2; 50 epochs, rho 2; 50 epochs, rho 3;         ""
              50 epochs, rho 4
    table13   rho: 2, 3, 4                                                   epochs: 100, 200
    figure4   videos: 128k, 240k, 500k, 1M                                   K400, IG-Curated,
                                                                             IG-Curated-Unbalanced,
                                                                             IG-Uncurated
    table14   K400, rho 4; K600, rho 2; K600, rho 4; K700, rho 2;            ""
              K700, rho 4; K400, supervised; K600, supervised;
              K700, supervised
    table15   momentum: 0.999 and others, "0.994, annealed" and others       ""
    table16   projection 2, 3, 4; predictor 2, 3                             methods
    figure5   none, LARS, LARS SyncBN, LARS SyncBN MLP-BN                    methods
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

# Table, row, column, measure.
Cell: TypeAlias = tuple[str, str, str, str]


@dataclass(frozen=True)
class StatedFigure:
    """A number that the paper states for a cell.

    Attributes:
        value: in percent.
        derived: whether it is arithmetic on two stated numbers.
    """

    value: float
    derived: bool = False


_STATED: dict[Cell, float] = {
    ("table2", "1", "SimCLR", "K"): 36.1,
    ("table2", "2", "SimCLR", "K"): 60.5,
    ("table2", "1", "SwAV", "K"): 38.6,
    ("table2", "2", "SwAV", "K"): 61.6,
    ("table2", "2", "MoCo", "K"): 65.8,
    ("table2", "2", "BYOL", "K"): 65.8,
    ("table2", "3", "MoCo", "K"): 67.3,
    ("table2", "4", "BYOL", "K"): 68.9,
    ("table2", "4", "BYOL", "U"): 93.8,
    ("table3", "200", "Supervised", "K"): 74.7,
    ("table3", "400", "Supervised", "K"): 74.3,
    ("table3", "800", "Supervised", "K"): 72.7,
    ("table4b", "unlimited", "", "K"): 64.1,
    ("table5", "R(2+1)D", "Supervised", "K"): 71.7,
    ("table5", "R(2+1)D", "MoCo", "K"): 57.2,
    ("table5", "R(2+1)D", "MoCo", "U"): 93.7,
    ("table6a", "200", "MoCo", "K"): 69.0,
    ("table6a", "200", "SwAV", "K"): 64.3,
    ("figure3", "none", "MoCo", "K"): 42.2,
    ("figure3", "none", "BYOL", "K"): 32.4,
    ("table8", "area 0.49-0.76, aspect", "", "K"): 65.4,
    ("table8", "area 0.2-0.76", "", "K"): 66.8,
    ("table9", "aug+", "BYOL", "K"): 70.0,
    ("table9", "aug+", "MoCo", "K"): 69.0,
    ("table9", "aug+", "MoCo", "U"): 93.6,
    ("table10", "Supervised", "", "Charades"): 34.7,
    ("table10", "MoCo", "", "Charades"): 33.5,
    ("table10", "Supervised", "", "SSv2"): 52.8,
    ("table10", "BYOL", "", "SSv2"): 55.8,
    ("table10", "MoCo on IG-Curated", "", "K"): 69.9,
    ("figure4", "240k", "IG-Curated", "K"): 63.2,
    ("figure4", "240k", "IG-Curated-Unbalanced", "K"): 63.1,
    ("figure4", "240k", "IG-Uncurated", "K"): 60.6,
    ("figure4", "1M", "IG-Uncurated", "K"): 65.4,
    ("table14", "K400, rho 4", "", "K600"): 70.0,
    ("table14", "K400, rho 4", "", "K700"): 54.2,
    ("table15", "0.999", "", "K"): 64.5,
    ("figure5", "none", "BYOL", "K"): 32.9,
}

# Differences of two numbers, whose result alone is known.
_DERIVED: dict[Cell, float] = {
    ("table2", "3", "BYOL", "K"): 68.3,
    ("table2", "3", "SimCLR", "K"): 62.0,
    ("table10", "BYOL", "", "Charades"): 21.0,
}

# The best before on the same network and data, which is another paper's, and the gain that is stated over it.
_GAINS_OVER_OTHERS: dict[Cell, tuple[float, float]] = {
    ("table11", "S3D-G", "", "U"): (90.6, 5.7),
    ("table11", "S3D-G", "", "H"): (62.9, 12.1),
    ("table11", "R-50, 16×4", "", "K"): (66.1, 5.4),
}

# The same measurement as a cell of another table: the default settings (rho 2, 200 epochs of K400, Slow R-50 8x8), or
# others that two tables share.
_SAME: dict[Cell, Cell] = {
    **{("table3", "200", method, "K"): ("table2", "2", method, "K") for method in ("SimCLR", "SwAV", "BYOL", "MoCo")},
    **{("figure3", "T S C", one, "K"): ("table2", "2", one, "K") for one in ("SimCLR", "SwAV", "BYOL", "MoCo")},
    # Without T: rho is 1.
    **{("figure3", "S C", one, "K"): ("table2", "1", one, "K") for one in ("SimCLR", "SwAV")},
    ("table5", "R-50, 8×8", "Supervised", "K"): ("table3", "200", "Supervised", "K"),
    ("table5", "R-50, 8×8", "MoCo", "K"): ("table2", "2", "MoCo", "K"),
    ("table8", "short side", "", "K"): ("table2", "2", "MoCo", "K"),
    # Linear classifiers of table 9 have 100 epochs; fine-tuning is the same.
    ("table9", "base", "BYOL", "U"): ("table2", "4", "BYOL", "U"),
    ("table10", "Supervised", "", "K"): ("table3", "200", "Supervised", "K"),
    ("table10", "MoCo", "", "K"): ("table2", "3", "MoCo", "K"),
    ("table13", "2", "200", "K"): ("table6a", "200", "MoCo", "K"),
    ("table13", "3", "200", "K"): ("table10", "MoCo on IG-Curated", "", "K"),
    ("figure4", "240k", "K400", "K"): ("table2", "2", "MoCo", "K"),
    ("figure4", "1M", "IG-Curated", "K"): ("table6a", "200", "MoCo", "K"),
    ("table14", "K400, rho 4", "", "K"): ("table9", "aug+", "MoCo", "K"),
    ("table14", "K400, rho 4", "", "U"): ("table9", "aug+", "MoCo", "U"),
    ("table16", "projection 3", "SimCLR", "K"): ("table2", "2", "SimCLR", "K"),
    ("table16", "projection 3", "SwAV", "K"): ("table2", "2", "SwAV", "K"),
    ("table16", "projection 3", "MoCo", "K"): ("table2", "2", "MoCo", "K"),
    # BYOL's own projection and predictor have two layers.
    ("table16", "projection 2", "BYOL", "K"): ("table2", "2", "BYOL", "K"),
    ("table16", "predictor 2", "BYOL", "K"): ("table2", "2", "BYOL", "K"),
}

# A stated difference to another cell of the same table.
_DIFFERENCES: dict[Cell, tuple[Cell, float]] = {
    ("table8", "area 0.49-0.76", "", "K"): (("table8", "short side", "", "K"), -1.0),
    ("table10", "MoCo on IG-Uncurated", "", "K"): (("table10", "MoCo", "", "K"), -1.3),
    ("table10", "MoCo on IG-Uncurated", "", "Charades"): (("table10", "MoCo", "", "Charades"), -2.2),
    ("table14", "K700, rho 4", "", "K"): (("table14", "K400, rho 4", "", "K"), 2.7),
    ("table14", "K700, rho 4", "", "K600"): (("table14", "K400, rho 4", "", "K600"), 3.2),
    ("table14", "K700, rho 4", "", "K700"): (("table14", "K400, rho 4", "", "K700"), 3.9),
    ("table14", "K700, rho 4", "", "U"): (("table14", "K400, rho 4", "", "U"), 1.2),
    ("table16", "projection 2", "SimCLR", "K"): (("table16", "projection 3", "SimCLR", "K"), -1.5),
    ("table16", "projection 2", "SwAV", "K"): (("table16", "projection 3", "SwAV", "K"), -1.3),
    ("table16", "projection 2", "MoCo", "K"): (("table16", "projection 3", "MoCo", "K"), -1.2),
    ("table16", "projection 3", "BYOL", "K"): (("table16", "projection 2", "BYOL", "K"), 0.0),
    ("table16", "predictor 3", "BYOL", "K"): (("table16", "predictor 2", "BYOL", "K"), -2.2),
}


def stated(table: str, row: str, column: str, measure: str) -> StatedFigure | None:
    """The paper's number for a cell; None where none is known.

    Args:
        table: ``table2``, ``figure4``, ...
        row: label of the row.
        column: label of the column; empty in a table with one.
        measure: ``K``, ``U``, ...
    """
    return _figure((table, row, column, measure))


def stated_cells() -> tuple[Cell, ...]:
    """All cells with a number."""
    return (*_STATED, *_DERIVED, *_GAINS_OVER_OTHERS, *_SAME, *_DIFFERENCES)


def _figure(cell: Cell) -> StatedFigure | None:
    if cell in _SAME:
        return _figure(_SAME[cell])
    if cell in _STATED:
        return StatedFigure(_STATED[cell])
    if cell in _DERIVED:
        return StatedFigure(_DERIVED[cell], derived=True)
    if cell in _GAINS_OVER_OTHERS:
        return StatedFigure(round(sum(_GAINS_OVER_OTHERS[cell]), 1), derived=True)
    if cell in _DIFFERENCES:
        other, difference = _DIFFERENCES[cell]
        base = _figure(other)
        return StatedFigure(round(base.value + difference, 1), derived=True) if base else None
    return None
