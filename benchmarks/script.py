"""What each script does with its table: print it, and where it is asked to, write it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.table import Table


def run_script(measure: Callable[[str], Table]) -> None:
    """Measure in one thread and show the table.

    Args:
        measure: takes a part of the text of the rows that are wanted ("" for all).
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="rows whose text holds this; benchmarks/RESULTS.md shows them")
    parser.add_argument("--out", type=Path, help="a file for the table")
    arguments = parser.parse_args()
    single_thread()
    table = measure(arguments.only)
    if not table.rows:
        sys.exit(f"no row of {table.title} holds {arguments.only!r}: see benchmarks/RESULTS.md for its rows")
    print(table.markdown())
    if arguments.out:
        arguments.out.write_text(table.markdown(), encoding="utf-8")


def single_thread() -> None:
    """One thread for all that computes, as in a worker."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import cv2
    import torch

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
