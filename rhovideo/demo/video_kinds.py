"""The kinds of made videos, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rhovideo.demo.labelled_set import VideoKind
from rhovideo.demo.physics_scenes import physics
from rhovideo.demo.real_footage import footage
from rhovideo.demo.synthetic_videos import shapes
from rhovideo.errors import SettingError

KINDS: Mapping[str, Callable[[], VideoKind]] = {"physics": physics, "footage": footage}


def video_kind(name: str, num_classes: int | None = None) -> VideoKind:
    """A kind of made videos.

    Args:
        name: ``shapes``, ``physics`` or ``footage``.
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
