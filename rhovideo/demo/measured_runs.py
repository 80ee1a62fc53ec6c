"""The runs of an experiment on a made set of videos: a pre-training, and a linear classifier on an encoder.

:func:`settings_of` gives the configuration of a run before it starts, and :func:`run_afresh` does the run.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config import load_cfg
from rhovideo.demo.labelled_set import VideoKind, write_labelled_set
from rhovideo.demo.video_kinds import video_kind
from rhovideo.engine.run import run
from rhovideo.launch.local.processes import launch
from rhovideo.terminal import stage, stop_beats

_FPS = 12


@dataclass(frozen=True)
class MadeSet:
    """A labelled set of made videos, written or to be written.

    Attributes:
        folder: of its videos and lists.
        name: of its kind: ``shapes``, ``physics`` or ``footage``.
        kind: of its videos.
        videos: training videos; half as many are for validation.
    """

    folder: Path
    name: str
    kind: VideoKind
    videos: int

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.kind.classes)

    def write(self) -> None:
        """Write the set, unless it is there."""
        train, val = self.videos, self.videos // 2
        print(f"Writing {train} training and {val} validation videos to {self.folder}")
        stage(f"{self.name}: writing {train + val} videos")
        write_labelled_set(self.folder, self.kind, train_videos=train, val_videos=val, fps=_FPS)


def made_set(out: Path, name: str, videos: int) -> MadeSet:
    """A set in a folder of ``out``: ``data`` for shapes, ``data_NAME`` for another kind.

    Args:
        out: folder of the experiment.
        name: of the kind.
        videos: training videos.

    Raises:
        SettingError: there is no such kind, or a package that it needs is not installed.
    """
    return MadeSet(out / ("data" if name == "shapes" else f"data_{name}"), name, video_kind(name), videos)


def settings_of(
    recipe: str,
    data: MadeSet,
    output: Path,
    seed: int,
    overrides: Sequence[object] = (),
    pretrained: Path | None = None,
) -> CfgNode:
    """The configuration of a run.

    Args:
        recipe: its name, or a YAML file.
        data: its lists are trained on.
        output: folder of the run.
        seed: of weights, clips and augmentation.
        overrides: more keys and values.
        pretrained: folder of the finished pre-training whose encoder a classifier is trained on.

    Raises:
        ConfigError: a key or a value is wrong, or there is no such recipe.
    """
    pairs: list[object] = ["DATA.PATH_TO_DATA_DIR", data.folder, "OUTPUT_DIR", output, "RNG_SEED", seed, *overrides]
    if pretrained:
        pairs += ["TRAIN.CHECKPOINT_FILE_PATH", max((pretrained / "checkpoints").glob("*.pyth"))]
    return load_cfg(recipe, [str(each) for each in pairs], videos=data.videos)


def run_afresh(cfg: CfgNode) -> dict[str, float]:
    """Do a run from its start, and give its numbers.

    Raises:
        JobError, RankFailed: the run failed.
    """
    # What an earlier experiment left here may be of another configuration.
    shutil.rmtree(cfg.OUTPUT_DIR, ignore_errors=True)
    # The processes say themselves what they do.
    stop_beats()
    return launch(run, cfg)
