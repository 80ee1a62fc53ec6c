"""Videos of which clips are equal, hardly move, or look washed out: warnings, once a list. Without torch.

Only descriptions of files are read, and of a long list only some files, spread over it.
"""

from __future__ import annotations

import functools
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.checks.lists.list_contents import ListContents
from rhovideo.config.findings import Finding
from rhovideo.data.lists.manifest import root_of
from rhovideo.data.video.footage import Footage, describe

# A smaller share of the videos is not worth a word.
_SHARE = 0.1
# A file system may be slow, and a person waits.
_SECONDS = 4.0


def warn_of_footage(cfg: CfgNode, split: str, contents: ListContents) -> Iterator[Finding]:
    """A warning for each way in which a part of a list's videos does not go with the clips of a job.

    Args:
        cfg: of the job.
        split: whose list it is.
        contents: of the list; its videos are files.
    """
    root = root_of(contents.csv, cfg.DATA.PATH_PREFIX)
    found = _descriptions(tuple(os.path.join(root, path) for _, path in contents.sample))
    if not found:
        return
    whole = contents.videos == len(found)
    of = f"of {len(found)} videos" if whole else f"of the {len(found)} videos that were looked at"
    if cfg.DATA.CLIP_SAMPLING == "random":
        if cfg.TASK == "pretrain" and split == "train":
            yield from _too_short(cfg, contents, found, of)
        yield from _too_slow(cfg, contents, found, of)
    yield from _hdr(cfg, contents, found, of)


@functools.lru_cache(maxsize=64)
def _descriptions(paths: tuple[str, ...]) -> tuple[Footage, ...]:
    """The descriptions of these files, as many as can be read in some seconds."""
    until = time.monotonic() + _SECONDS
    found = []
    # The first of every eight, then the second ..., so that all parts of the list are looked at if time runs out.
    for path in (path for first in range(8) for path in paths[first::8]):
        if time.monotonic() > until:
            break
        found.append(describe(path))
    return tuple(footage for footage in found if footage is not None)


def _too_short(cfg: CfgNode, contents: ListContents, found: Sequence[Footage], of: str) -> Iterator[Finding]:
    """Videos that are shorter than the rho clips that are taken of them."""
    rho, clip = cfg.DATA.TRAIN_CROP_NUM_TEMPORAL, _clip_seconds(cfg)
    lengths = [footage.seconds for footage in found if footage.seconds > 0]
    if rho == 1 or not lengths or not cfg.DATA.AUG_TEMPORAL:
        return
    equal = sum(seconds <= clip for seconds in lengths)
    short = sum(seconds < rho * clip for seconds in lengths)
    if short < _SHARE * len(lengths):
        return
    wrong = (
        f"{contents.csv}: {short} {of} are shorter than {rho} clips of {clip:.3g} s (T {cfg.DATA.NUM_FRAMES}, "
        f"τ {cfg.DATA.SAMPLING_RATE}), so these clips share frames"
    )
    wrong += f"; in {equal} of them, of {clip:.3g} s or less, all clips are the same frames" if equal else ""
    # Nine in ten videos are as long as this.
    room = float(np.quantile(lengths, _SHARE)) * cfg.DATA.TARGET_FPS
    rate = int(room / (rho * cfg.DATA.NUM_FRAMES))
    remedy = f"DATA.SAMPLING_RATE {rate}, or leave short videos out of the list" if rate else "a list of longer videos"
    yield Finding(("DATA.SAMPLING_RATE", "DATA.TRAIN_CROP_NUM_TEMPORAL", "DATA.NUM_FRAMES"), wrong, remedy, "warning")


def _too_slow(cfg: CfgNode, contents: ListContents, found: Sequence[Footage], of: str) -> Iterator[Finding]:
    """Videos with fewer frames in the time of a clip than a clip shows, such as a time-lapse at its real rate."""
    rates = [footage.fps for footage in found if footage.fps > 0]
    clip = _clip_seconds(cfg)
    slow = [fps for fps in rates if round(fps * clip) < cfg.DATA.NUM_FRAMES]
    if not slow or len(slow) < _SHARE * len(rates):
        return
    lowest = min(slow)
    wrong = (
        f"{contents.csv}: {len(slow)} {of} have so few frames a second (the fewest: {lowest:.3g}) that a clip "
        f"of {clip:.3g} s shows {max(round(lowest * clip), 1)} different frames, and not {cfg.DATA.NUM_FRAMES}"
    )
    remedy = f"DATA.SAMPLING_RATE {int(np.ceil(cfg.DATA.TARGET_FPS / lowest))}, or leave these videos out of the list"
    yield Finding(("DATA.SAMPLING_RATE", "DATA.TARGET_FPS"), wrong, remedy, "warning")


def _hdr(cfg: CfgNode, contents: ListContents, found: Sequence[Footage], of: str) -> Iterator[Finding]:
    kinds = Counter(footage.hdr for footage in found if footage.hdr)
    if not kinds:
        return
    which = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    wrong = f"{contents.csv}: {kinds.total()} {of} are HDR ({which})"
    if cfg.DATA.TONE_MAP:
        wrong += ", and are turned into SDR; False shows them as they are"
        yield Finding(("DATA.TONE_MAP",), wrong, "", "warning")
    else:
        wrong += ", and are shown as if they were SDR, grey and washed out"
        yield Finding(("DATA.TONE_MAP",), wrong, "True", "warning")


def _clip_seconds(cfg: CfgNode) -> float:
    """The time that a clip spans, where its rate is not jittered."""
    return float(cfg.DATA.NUM_FRAMES * cfg.DATA.SAMPLING_RATE / cfg.DATA.TARGET_FPS)
