"""The training list of a run that goes on: the same as before, or one that rows were taken out of. Without torch.

Both the check before a start and the run itself ask here, so a dry run sees what the run will.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.atomic_files import written_whole
from rhovideo.config.extension.registries import lists_itself, reads_boxes
from rhovideo.config.findings import Finding
from rhovideo.config.task_defaults import CLASSIFIES, DETECTS
from rhovideo.data.lists.boxes.key_frames import open_key_frames
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.kept_rows import KeptRows, common_folder, find_kept_rows, fingerprint, names_of, row_digests
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.lists.mixtures import Mixture
from rhovideo.data.lists.multi_label.label_sets import LabelSets, label_text
from rhovideo.data.lists.opening import open_list
from rhovideo.data.lists.video_list import VideoList
from rhovideo.runs.first_launch import resumes
from rhovideo.runs.folder import list_checkpoints, progress
from rhovideo.runs.history import TRAINING_LIST, append_event, list_of_checkpoint, read_events

# Of a longer list the names are not kept: they would take minutes and a gigabyte at each start.
_LONGEST = 2**21


@dataclass(frozen=True)
class Judged:
    """A training list, compared with the one that a checkpoint was trained on.

    Attributes:
        rows: where the list's rows were before; None if nothing was taken out, or nothing is known of that list.
        finding: a warning of rows that are gone, or the error of rows that were added or changed; None without either.
    """

    rows: KeptRows | None = None
    finding: Finding | None = None


class TrainingList:
    """The training list of a job, to be recorded in its run folder and compared with what is recorded there.

    Args:
        cfg: the job's.
        manifest: its training list.
    """

    def __init__(self, cfg: CfgNode, manifest: Manifest | VideoList) -> None:
        self._output = Path(cfg.OUTPUT_DIR)
        self._manifest = manifest
        self._labelled = cfg.TASK in (*CLASSIFIES, *DETECTS)
        self._several = cfg.DATA.MULTI_LABEL

    @cached_property
    def _paths(self) -> list[str]:
        return [self._manifest.path(row) for row in range(len(self._manifest))]

    @cached_property
    def _base(self) -> str:
        return common_folder(self._paths)

    def _digests(self, base: str) -> np.ndarray:
        # A wrong label changes what a classifier learns; a pre-training only measures with it.
        return row_digests(names_of(self._paths, self._labels() if self._labelled else None), base)

    def _labels(self) -> Sequence[object]:
        if self._several and isinstance(self._manifest, LabelSets):
            return [label_text(self._manifest.label_set(row)) for row in range(len(self._manifest))]
        return self._manifest.labels.tolist()

    def judge(self, position: tuple[int, int]) -> Judged:
        """Compare with the list that a checkpoint of the run was trained on.

        Args:
            position: complete epochs, and complete steps of the next one, of the checkpoint.
        """
        event = list_of_checkpoint(self._output, position)
        if event is None:
            return Judged()
        if (finding := self._other_weights(event)) is not None:
            return Judged(finding=finding)
        base = event["base"]
        moved = base and not any(path.startswith(base + os.sep) for path in self._paths)
        below = self._base if moved else base
        now = self._digests(below)
        if fingerprint(now) == event["fingerprint"]:
            return Judged()
        rows = find_kept_rows(np.load(self._output / event["rows"]), now)
        keys, csv = ("DATA.PATH_TO_DATA_DIR", "OUTPUT_DIR"), self._manifest.csv
        if len(rows.added):
            first = int(rows.added[0])
            others = f", and {len(rows.added) - 1} more" if len(rows.added) > 1 else ""
            wrong = (
                f"{csv}, line {self._manifest.line(first)}: {self._paths[first]} is not in the list that the run in "
                f"{self._output} was trained on{others}. That list had {rows.before} videos, this one has "
                f"{len(self._paths)}"
            )
            remedy = "the list as it was, from which rows may only be taken out; or another OUTPUT_DIR to train anew"
            return Judged(finding=Finding(keys, wrong, remedy))
        gone = rows.before - len(self._paths)
        what = (
            f"{gone} of the {rows.before} videos that the run in {self._output} was trained on are no longer listed. "
            "It goes on without them"
            if gone
            else f"the videos are those that the run in {self._output} was trained on, in another order"
        )
        wrong = (
            f"{csv}: {what}. The order of the videos is a new one from here on, and the k-NN bank keeps the "
            "embeddings of those that are left"
        )
        return Judged(rows, Finding(keys, wrong, severity="warning"))

    @property
    def _mixture(self) -> list[list[str]] | None:
        mixture: Mixture | None = getattr(self._manifest, "mixture", None)
        return mixture.described() if mixture else None

    def _other_weights(self, event: Mapping[str, Any]) -> Finding | None:
        """An error where the parts or the weights of a mixture are others than the run was trained with."""
        before, now = event.get("mixture"), self._mixture
        if before == now:
            return None
        then, here = (
            ", ".join(f"{name} {weight}" for name, weight in parts or ()) or "none" for parts in (before, now)
        )
        wrong = (
            f"{self._manifest.csv}: the weights of its parts are {here}, and the run in {self._output} was trained "
            f"with {then}"
        )
        remedy = "the weights as they were; or another OUTPUT_DIR to train anew"
        return Finding(("DATA.PATH_TO_DATA_DIR", "OUTPUT_DIR"), wrong, remedy)

    def record(self, position: tuple[int, int]) -> None:
        """Write the list into the run's history, if it is not the last one there.

        Args:
            position: of the checkpoint that the run goes on from; (0, 0) if it begins.

        Raises:
            OSError: the run folder cannot be written to.
        """
        if len(self._manifest) > _LONGEST:
            return
        digests = self._digests(self._base)
        values: dict[str, Any] = {
            "csv": str(self._manifest.csv),
            "videos": len(digests),
            "base": self._base,
            "fingerprint": fingerprint(digests),
            "rows": f"training_list_{fingerprint(digests)}.npy",
            "mixture": self._mixture,
        }
        events = read_events(self._output, TRAINING_LIST)
        last = events[-1] if events else {}
        same = [last.get(key) for key in ("fingerprint", "mixture")] == [values["fingerprint"], values["mixture"]]
        if same and (tuple(last["from"]) <= position or not any(position)):
            return
        self._output.mkdir(parents=True, exist_ok=True)
        with written_whole(self._output / values["rows"]) as file:
            np.save(file, digests)
        append_event(self._output, TRAINING_LIST, {**values, "from": list(position)})


def _open(cfg: CfgNode) -> Manifest | VideoList:
    return open_key_frames(cfg, "train") if reads_boxes(cfg) else open_list(cfg, "train")


def check_training_list(cfg: CfgNode) -> Iterator[Finding]:
    """Find out whether the run in OUTPUT_DIR can go on with the training list as it is now.

    Args:
        cfg: a loaded configuration whose lists can be read.
    """
    # A registered data set is opened by the job alone.
    if not resumes(cfg) or (lists_itself(cfg) and not reads_boxes(cfg)) or not list_checkpoints(cfg.OUTPUT_DIR):
        return
    position = progress(cfg.OUTPUT_DIR)
    if list_of_checkpoint(cfg.OUTPUT_DIR, position) is None:
        return
    try:
        manifest = _open(cfg)
    except (ManifestError, OSError):
        return  # found by the other checks, or by the run
    if (finding := TrainingList(cfg, manifest).judge(position).finding) is not None:
        yield finding
