"""The text that ``rhovideo`` alone prints: a line for every command, in groups, and first steps."""

from __future__ import annotations

from collections.abc import Mapping

_TITLE = """\
rhovideo: unsupervised learning from videos. Pre-train an encoder on rho clips of each video, then measure it.
"""

# Headings, and their commands in the order in which one needs them. A command that is in none comes last.
_GROUPS = {
    "Try it": ("demo", "synthetic"),
    "Prepare": ("index", "scan", "data", "configs", "keys", "clips"),
    "Train and measure": ("run", "eval", "study", "extract", "probe"),
    "Look after runs": ("status", "logs", "results", "report", "cancel"),
    "Checkpoints": ("weights", "export"),
}
_OTHERS = "Others"

_FIRST_STEPS = """\
First steps
  rhovideo demo                                        some minutes on two cores, without any data
  rhovideo index /data/videos --out data/mine          list your own videos
  rhovideo run --cfg demo/moco DATA.PATH_TO_DATA_DIR data/mine TRAIN.BATCH_SIZE 8 SOLVER.MAX_EPOCH 10
  rhovideo extract byol_slow_r50_8x8_rho4 --data /data/videos --out features/mine

`rhovideo COMMAND --help` explains a command, with examples. `rhovideo completion bash` is for the Tab key.
"""


def overview(summaries: Mapping[str, str]) -> str:
    """The text.

    Args:
        summaries: a line for each command, by its name.
    """
    known = {name for names in _GROUPS.values() for name in names}
    others = tuple(name for name in summaries if name not in known)
    width = max(map(len, summaries))
    parts = [_TITLE]
    for heading, names in {**_GROUPS, _OTHERS: others}.items():
        lines = [f"  {name:{width}}  {summaries[name]}" for name in names if name in summaries]
        parts += ["\n".join([heading, *lines, ""])] if lines else []
    return "\n".join([*parts, _FIRST_STEPS])
