"""Rendered scenes of moving bodies, by the physics simulator PyBullet and its software renderer (no display, no GPU).

A class is a kind of motion, e.g. ``pendulum``, with the apparatus that it needs: a ball, a rod and a frame with a beam.
A video is cut into scenes of about 2.5 seconds. Each scene draws its textures, colours, light, floor, sky, background
and camera anew, so the look of one clip says nothing about the look of another. Two clips of different scenes (rho of 2
or more) share the motion and the geometry of the apparatus alone; two views of one clip also share the look.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from rhovideo.demo.labelled_set import VideoKind
from rhovideo.demo.physics_motions import MOTIONS
from rhovideo.demo.rendered_scene import STEPS, Camera, open_scene
from rhovideo.errors import SettingError

_SCENE_SECONDS = 2.5


def physics() -> VideoKind:
    """The kind of these videos.

    Raises:
        SettingError: PyBullet is not installed.
    """
    _pybullet()
    return VideoKind(tuple(MOTIONS), 2, _render)


def _pybullet() -> Any:
    try:
        return importlib.import_module("pybullet")
    except ImportError:
        raise SettingError(
            "PyBullet is not installed: run pip install pybullet (it has wheels for Python 3.10 and 3.11)"
        ) from None


def _render(
    class_name: str, split: str, num_frames: int, fps: int, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    scenes = max(1, round(num_frames / fps / _SCENE_SECONDS))
    cuts = np.linspace(0, num_frames, scenes + 1).round().astype(int)
    plan = int(rng.integers(2**32))
    return np.concatenate(
        [render_scene(class_name, int(length), fps, size, rng, plan=plan) for length in np.diff(cuts)]
    )


def render_scene(
    motion: str, num_frames: int, fps: int, size: tuple[int, int], rng: np.random.Generator, *, plan: int = 0
) -> np.ndarray:
    """The pictures of one scene.

    Args:
        motion: a key of ``MOTIONS``.
        num_frames: T.
        fps: frames a second.
        size: height and width in pixels.
        rng: of all that is drawn anew in each scene.
        plan: seed of the apparatus's geometry.

    Returns:
        uint8 [T, H, W, 3].
    """
    with open_scene(_pybullet(), rng, np.random.default_rng(plan)) as scene:
        act = MOTIONS[motion](scene)
        camera = Camera(scene, size)
        frames = np.empty((num_frames, *size, 3), np.uint8)
        for number, frame in enumerate(frames):
            for step in range(STEPS // fps):
                act(number / fps + step / STEPS)
                scene.step()
            frame[...] = camera.picture()
        return frames
