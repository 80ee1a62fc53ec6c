"""The files of TASK detection: frames, boxes, label map, exclusions and true boxes. Without torch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.checks.fitting import smaller_step
from rhovideo.config.box_file_names import truth_files
from rhovideo.config.findings import Finding
from rhovideo.config.list_names import needed_splits
from rhovideo.data.lists.boxes.box_files import read_box_rows, read_excluded
from rhovideo.data.lists.boxes.key_frames import KeyFrame, KeyFrameList, open_key_frames
from rhovideo.data.lists.boxes.label_maps import read_label_map
from rhovideo.data.lists.csv_parsing import ManifestError

# Key frames whose image or video is looked for, and the share of missing ones at which the folder is wrong.
_LOOKED_AT = 200
_MISSING_SHARE = 0.5


def check_box_lists(cfg: CfgNode) -> list[Finding]:
    """Find what is wrong with the files of a job of TASK detection, whose names are there.

    Args:
        cfg: a loaded configuration.
    """
    opened: dict[str, KeyFrameList] = {}
    findings: list[Finding] = []
    for split in needed_splits(cfg):
        try:
            opened[split] = open_key_frames(cfg, split)
        except (ManifestError, OSError) as error:
            keys = getattr(error, "keys", ()) or ("AVA.ANNOTATION_DIR",)
            findings.append(Finding(keys, str(error)))
    findings += [finding for frames in opened.values() for finding in _footage(cfg, frames)]
    findings += [*_step(cfg, opened), *_actions(opened)]
    if len(needed_splits(cfg)) > 1 or "test" in opened:
        findings += _truth(cfg)
    findings += _shared(opened)
    return list(dict.fromkeys(findings))


def _footage(cfg: CfgNode, frames: KeyFrameList) -> Iterator[Finding]:
    """Judge images that are not there, boxes of videos that are not listed, and seconds after the end of a video."""
    if frames.unlisted:
        count = f"{len(frames.unlisted)} videos have boxes and no frames"
        wrong = f"{frames.csv}: {count}, such as {frames.unlisted[0]}; their boxes are left out"
        key = "AVA.VIDEO_DIR" if cfg.AVA.VIDEO_DIR else "AVA.FRAME_LIST_DIR"
        yield Finding((key,), wrong, severity="warning")
    if cfg.AVA.VIDEO_DIR:
        return
    rows = np.unique(np.linspace(0, len(frames) - 1, min(_LOOKED_AT, len(frames))).astype(int)).tolist()
    late, missing = [], []
    for row in rows:
        video = frames.open_video(row, float(cfg.DATA.TARGET_FPS))
        place = int(frames.offset(row) * cfg.DATA.TARGET_FPS)
        late += [row] if place >= video.num_frames else []
        image = video.images[min(place, video.num_frames - 1)]  # type: ignore[attr-defined]  # of a frame list
        missing += [] if os.path.exists(image) else [(row, image)]
    if late:
        wrong = (
            f"{frames.csv}, line {frames.line(late[0])}: the key frame is after the last frame of its video, and so "
            f"are {len(late) - 1} of the {len(rows) - 1} others looked at; they take the last frame"
        )
        keys = ("AVA.START_SECOND", "DATA.TARGET_FPS")
        remedy = "the second at which the frames begin, and their rate"
        yield Finding(keys, wrong, remedy, "warning")
    if missing:
        row, image = missing[0]
        wrong = f"{image} is not there, nor are {len(missing) - 1} of the {len(rows) - 1} other frames looked for"
        error = len(missing) > _MISSING_SHARE * len(rows)
        remedy = "the folder that the frame lists' paths start from" if error else ""
        yield Finding(("AVA.FRAME_DIR", "DATA.PATH_PREFIX"), wrong, remedy, "error" if error else "warning")


def _step(cfg: CfgNode, opened: dict[str, KeyFrameList]) -> Iterator[Finding]:
    step = cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS
    if "train" in opened and len(opened["train"]) < step:
        wrong = f"{opened['train'].csv} has {len(opened['train'])} key frames, fewer than the {step} of one step"
        yield Finding(("TRAIN.BATCH_SIZE", "NUM_SHARDS"), wrong, smaller_step(cfg, len(opened["train"]), "key frames"))


def _actions(opened: dict[str, KeyFrameList]) -> Iterator[Finding]:
    if "train" in opened and not opened["train"].num_classes:
        wrong = f"{opened['train'].csv}: no box has an action, so there is nothing to learn"
        yield Finding(("AVA.TRAIN_GT_BOX_LISTS",), wrong, "a file of true boxes, with an action in column 7")


def _truth(cfg: CfgNode) -> Iterator[Finding]:
    """Read what the evaluation measures against."""
    files = truth_files(cfg)
    key = ""
    try:
        key = "AVA.LABEL_MAP_FILE"
        classes = read_label_map(files["LABEL_MAP_FILE"])
        key = "AVA.EXCLUSION_FILE"
        excluded = read_excluded(files["EXCLUSION_FILE"]) if "EXCLUSION_FILE" in files else set()
        key = "AVA.GROUNDTRUTH_FILE"
        truth = read_box_rows(files["GROUNDTRUTH_FILE"], scored=False)
    except (ManifestError, OSError, KeyError) as error:
        yield Finding((key,), str(error) if files.get(key[4:]) else "is empty", "the name of the file")
        return
    if max(classes) > cfg.MODEL.NUM_CLASSES or min(classes) < 1:
        wrong = f"{files['LABEL_MAP_FILE']} has classes {min(classes)} to {max(classes)}, and a detector of "
        wrong += f"MODEL.NUM_CLASSES {cfg.MODEL.NUM_CLASSES} knows 1 to {cfg.MODEL.NUM_CLASSES}"
        yield Finding(("MODEL.NUM_CLASSES", "AVA.LABEL_MAP_FILE"), wrong, f"MODEL.NUM_CLASSES {max(classes)}")
    counted = np.isin(truth.actions, list(classes))
    places = zip(truth.videos, truth.seconds.tolist(), counted.tolist(), strict=True)
    if not any(counts and (video, second) not in excluded for video, second, counts in places):
        wrong = f"{files['GROUNDTRUTH_FILE']} holds no box of the classes of {files['LABEL_MAP_FILE']}"
        yield Finding(("AVA.GROUNDTRUTH_FILE", "AVA.LABEL_MAP_FILE"), wrong, "the true boxes of the test videos")


def _shared(opened: dict[str, KeyFrameList]) -> Iterator[Finding]:
    trained = {frame.video for frame in _frames(opened.get("train"))}
    for split in ("val", "test"):
        shared = sorted(trained & {frame.video for frame in _frames(opened.get(split))})
        if shared:
            wrong = (
                f"{len(shared)} videos are in training and in the test, such as {shared[0]}: the numbers are too high"
            )
            keys = ("AVA.TEST_PREDICT_BOX_LISTS", "AVA.TRAIN_GT_BOX_LISTS")
            yield Finding(keys, f"{wrong}: the numbers are too high", "boxes of other videos", "warning")


def _frames(opened: KeyFrameList | None) -> Sequence[KeyFrame]:
    return [] if opened is None else [opened.key_frame(row) for row in range(len(opened))]
