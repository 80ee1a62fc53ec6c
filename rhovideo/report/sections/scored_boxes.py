"""Key frames with their true boxes and a detector's, and the average precision of each class."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.config.findings import ConfigError
from rhovideo.data.lists.boxes.box_files import BoxRows, read_box_rows
from rhovideo.data.sampling.key_frame_clips import frames_around
from rhovideo.data.video.picture.frame import Picture as Decoded
from rhovideo.data.video.picture.frame import RgbPicture
from rhovideo.data.video.reader import VideoReadError
from rhovideo.errors import JobError
from rhovideo.report.blocks import Answer, Gallery, Picture, Rows, Section, Text
from rhovideo.report.run_record import RunRecord
from rhovideo.report.sections.wording import MOST_ROWS, listed
from rhovideo.report.subjects import Chain
from rhovideo.report.thumbnails import jpeg

if TYPE_CHECKING:
    from rhovideo.data.lists.boxes.key_frames import KeyFrameList

# The names of what TASK detection writes (rhovideo.engine.evaluation.detections, which imports torch).
_DETECTIONS, _CLASSES = "detections.csv", "per_class_ap.csv"
_SHOWN = 6
_SIDE = 320
_SEED = 0
# A class is named from this score on; of a box without any such class, the best one.
_NAMED_FROM = 0.5
_MOST_NAMED = 3
_LOWEST = 3
_TRUE, _FOUND = (40, 160, 70), (30, 90, 220)


def boxes_section(chain: Chain) -> Section | None:
    """The boxes of the last detector of a chain; None where none was tested."""
    run = chain.detector
    if run is None:
        return None
    section = Section("boxes", "People in boxes, and what they do")
    classes = _class_rows(run)
    if not classes or not (run.folder / _DETECTIONS).is_file():
        text = f"There is no {_DETECTIONS}: it is written by the test, with TEST.ENABLE True."
        section.blocks.append(Text(text, "missing"))
        return section
    section.blocks.append(_table(classes))
    names = {int(row["class"]): row["name"] for row in classes}
    try:
        rows = _pictures(run, names)
    except (JobError, ConfigError, OSError) as error:
        section.blocks.append(Text(f"The key frames cannot be shown: {error}", "missing"))
        return section
    caption = (
        "Key frames of the test drawn at random: the true boxes, left in green, and the boxes that were scored, right "
        f"in blue, with the classes of a score of {_NAMED_FROM} or more, or else the best one."
    )
    section.blocks.append(Gallery(rows, "clips", caption))
    return section


def lowest_classes(run: RunRecord) -> Answer:
    """The classes with the lowest average precision of a detector.

    Args:
        run: its run.
    """
    question = "Which classes fail?"
    known = sorted((float(row["ap"]), row["name"]) for row in _class_rows(run) if row["ap"])
    if not known:
        return Answer(question, "not known yet", f"There is no {_CLASSES}: the test writes it.", "unknown")
    lowest = known[:_LOWEST]
    reason = (
        f"Average precision of {len(known)} classes at an overlap of 0.5; the others are above {lowest[-1][0]:.1f} %."
    )
    return Answer(question, "lowest: " + listed([f"{name} ({value:.1f} %)" for value, name in lowest]), reason)


def _class_rows(run: RunRecord) -> list[dict[str, str]]:
    try:
        with (run.folder / _CLASSES).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _table(classes: Sequence[Mapping[str, str]]) -> Rows:
    known = sorted((row for row in classes if row["ap"]), key=lambda row: -float(row["ap"]))
    shown = [[row["class"], row["name"], row["true_boxes"], f"{float(row['ap']):.1f} %"] for row in known[:MOST_ROWS]]
    more = f"; {len(known) - MOST_ROWS} more are in {_CLASSES}" if len(known) > MOST_ROWS else ""
    none = len(classes) - len(known)
    without = f" {none} classes have no true box, and do not count." if none else ""
    caption = f"Average precision of each class at an overlap of 0.5, the best first{more}.{without}"
    return Rows(["class", "name", "true boxes", "AP"], shown, [0, 2, 3], caption)


def _pictures(run: RunRecord, names: Mapping[int, str]) -> list[list[Picture]]:
    from rhovideo.data.lists.boxes.key_frames import open_key_frames
    from rhovideo.engine.evaluation.detections import Truth
    from rhovideo.report.measured_features import as_cfg

    cfg = as_cfg(run)
    frames = open_key_frames(cfg, "test")
    truth = Truth.read(cfg)
    found = read_box_rows(run.folder / _DETECTIONS, scored=True, texts=True)
    true_rows = _by_place(truth.videos, truth.seconds)
    found_rows = _by_place(found.videos, found.seconds)
    places = {(frames.key_frame(row).video, frames.key_frame(row).second): row for row in range(len(frames))}
    rows = []
    for place in _drawn(true_rows.keys() & found_rows.keys() & places.keys()):
        image = _key_frame(frames, places[place], cfg)
        if image is None:
            continue
        true = _true_boxes(truth.boxes, truth.actions, true_rows[place], names)
        title = f"{place[0]}, second {place[1]}"
        rows.append(
            [
                _picture(image, true, _TRUE, title),
                _picture(image, _scored(found, found_rows[place], names), _FOUND, title),
            ]
        )
    return rows


def _drawn(places: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Some key frames drawn at random, from different videos as far as there are any."""
    ordered = sorted(places)
    turns: dict[str, int] = {}
    ranked: list[tuple[int, int, tuple[str, int]]] = []
    for number in np.random.default_rng(_SEED).permutation(len(ordered)).tolist():
        video = ordered[number][0]
        turns[video] = turns.get(video, 0) + 1
        ranked.append((turns[video], len(ranked), ordered[number]))
    return sorted(place for *_, place in sorted(ranked)[:_SHOWN])


def _by_place(videos: Sequence[str], seconds: np.ndarray) -> dict[tuple[str, int], list[int]]:
    rows: dict[tuple[str, int], list[int]] = {}
    for row, place in enumerate(zip(videos, seconds.tolist(), strict=True)):
        rows.setdefault(place, []).append(row)
    return rows


def _key_frame(frames: KeyFrameList, row: int, cfg: CfgNode) -> np.ndarray | None:
    """The picture of a key frame, uint8 [H,W,3] RGB; None where it cannot be read."""
    pictures: list[np.ndarray] = []

    def take(picture: Decoded | RgbPicture, _: list[int]) -> None:
        pictures.append(picture.rgb())

    fps = float(cfg.DATA.TARGET_FPS)
    try:
        with frames.open_video(row, fps, cfg.DATA.DECODING_BACKEND) as video:
            at = frames_around(frames.offset(row), 1, 1, target_fps=fps, fps=video.fps, length=video.num_frames)
            video.each(at, take)
    except (VideoReadError, OSError, av.FFmpegError, cv2.error):
        return None
    return pictures[0] if pictures else None


def _true_boxes(
    boxes: np.ndarray, actions: np.ndarray, rows: Sequence[int], names: Mapping[int, str]
) -> list[tuple[np.ndarray, str]]:
    """Each true box with its classes: rows with the same corners are one box."""
    together: dict[tuple[float, ...], list[str]] = {}
    for row in rows:
        together.setdefault(tuple(boxes[row].tolist()), []).append(names.get(int(actions[row]), str(actions[row])))
    return [(np.array(box), ", ".join(classes)) for box, classes in together.items()]


def _scored(found: BoxRows, rows: Sequence[int], names: Mapping[int, str]) -> list[tuple[np.ndarray, str]]:
    """Each scored box with its best classes."""
    together: dict[str, list[int]] = {}
    for row in rows:
        together.setdefault(found.texts[row], []).append(row)
    boxes = []
    for of_box in together.values():
        best = sorted(of_box, key=lambda row: -found.last[row])
        named = [row for row in best if found.last[row] >= _NAMED_FROM][:_MOST_NAMED] or best[:1]
        words = [f"{names.get(int(found.actions[row]), found.actions[row])} {found.last[row]:.2f}" for row in named]
        boxes.append((found.boxes[of_box[0]], ", ".join(words)))
    return boxes


def _picture(
    image: np.ndarray, boxes: Sequence[tuple[np.ndarray, str]], colour: tuple[int, int, int], title: str
) -> Picture:
    """A key frame with numbered boxes; the words below say what each is."""
    drawn = draw_boxes(image, [box for box, _ in boxes], colour)
    words = "; ".join(f"{number}: {text}" for number, (_, text) in enumerate(boxes, 1))
    return Picture(jpeg(drawn, _SIDE), words, "", title)


def draw_boxes(image: np.ndarray, boxes: Sequence[np.ndarray], colour: tuple[int, int, int]) -> np.ndarray:
    """A picture with numbered boxes, its long side enlarged or shrunk to the size of a page.

    Args:
        image: uint8 [H,W,3], RGB; not changed.
        boxes: float64 [4] each, x1, y1, x2, y2 in shares of width and height.
        colour: RGB.

    Returns:
        uint8 [h,w,3], RGB.
    """
    factor = _SIDE / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    drawn = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    for number, box in enumerate(boxes, 1):
        corners = np.clip(np.round(box * (*size, *size)), 0, (*size, *size)).astype(int)
        first, last = (int(corners[0]), int(corners[1])), (int(corners[2]) - 1, int(corners[3]) - 1)
        cv2.rectangle(drawn, first, last, colour, 2)
        cv2.rectangle(drawn, first, (first[0] + 9 + 8 * len(str(number)), first[1] + 15), colour, -1)
        place = (first[0] + 4, first[1] + 12)
        cv2.putText(drawn, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
    return drawn
