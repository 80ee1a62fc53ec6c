"""The kinds of made videos, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from rhovideo.demo.labelled_set import VideoKind
from rhovideo.demo.physics_scenes import physics
from rhovideo.demo.real_footage import footage
from rhovideo.demo.synthetic_videos import shapes
from rhovideo.errors import SettingError


def mixed() -> VideoKind:
    """All classes of the three kinds: about twenty, of videos that have little in common.

    Raises:
        SettingError: a package that a kind needs is not installed.
    """
    parts = (shapes(6), physics(), footage())
    part_of = {name: part for part in parts for name in part.classes}

    def render(
        class_name: str, split: str, num_frames: int, fps: int, size: tuple[int, int], rng: np.random.Generator
    ) -> np.ndarray:
        return part_of[class_name].render(class_name, split, num_frames, fps, size, rng)

    return VideoKind(tuple(part_of), "-".join(str(part.version) for part in parts), render)


KINDS: Mapping[str, Callable[[], VideoKind]] = {"physics": physics, "footage": footage, "mixed": mixed}


def video_kind(name: str, num_classes: int | None = None) -> VideoKind:
    """A kind of made videos.

    Args:
        name: ``shapes``, ``physics``, ``footage`` or ``mixed``.
        num_classes: of shapes; 6 where it is None. The other kinds have their own classes.

    Raises:
        SettingError: there is no such kind, it has its own classes, or a package that it needs is not installed.
        ValueError: the number of classes is out of range.
    """
    if name == "shapes":
        return shapes(6 if num_classes is None else num_classes)
    if name not in KINDS:
        raise SettingError(f"there is no kind {name!r}: write shapes, {', '.join(KINDS)}")
    kind = KINDS[name]()
    if num_classes is not None:
        raise SettingError(f"{name} has {len(kind.classes)} classes of its kind: leave --classes out")
    return kind
