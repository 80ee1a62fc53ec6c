"""Rendered scenes of moving bodies, by the physics simulator PyBullet and its software renderer (no display, no GPU).

A class is a kind of motion, e.g. ``bounce``, and nothing else. A video is cut into scenes of about 2.5 seconds. Each
scene draws its bodies, textures, colours, light, floor, sky and camera anew, so the look of one clip says nothing
about the look of another; what two clips of a video share is the kind of motion.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rhovideo.demo.labelled_set import VideoKind
from rhovideo.errors import SettingError

_SCENE_SECONDS = 2.5
# Steps of the simulation in a second.
_STEPS = 240
_SHAPES = ("box", "cylinder", "capsule", "sphere")
# Half the sides, as shares of the size; the floor is a cube.
_SIDES = {"box": (0.9, 0.7, 0.8), "cube": (1.0, 1.0, 1.0)}
_FLOOR = 10.0

# Places a scene's bodies and returns the action of each step of the simulation, by the time in seconds.
Motion = Callable[["_Scene"], Callable[[float], None]]


def physics() -> VideoKind:
    """The kind of these videos.

    Raises:
        SettingError: PyBullet is not installed.
    """
    _pybullet()
    return VideoKind(tuple(MOTIONS), 1, _render)


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
    return np.concatenate([render_scene(class_name, int(length), fps, size, rng) for length in np.diff(cuts)])


def render_scene(motion: str, num_frames: int, fps: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """The pictures of one scene.

    Args:
        motion: a key of ``MOTIONS``.
        num_frames: T.
        fps: frames a second.
        size: height and width in pixels.
        rng: of everything that is drawn.

    Returns:
        uint8 [T, H, W, 3].
    """
    bullet = _pybullet()
    client = bullet.connect(bullet.DIRECT)
    try:
        with tempfile.TemporaryDirectory() as folder:
            scene = _Scene(bullet, client, rng, Path(folder))
            act = MOTIONS[motion](scene)
            camera = _Camera(scene, size)
            frames = np.empty((num_frames, *size, 3), np.uint8)
            steps = _STEPS // fps
            for number, frame in enumerate(frames):
                for step in range(steps):
                    act(number / fps + step / _STEPS)
                    bullet.stepSimulation(physicsClientId=client)
                frame[...] = camera.picture()
            return frames
    finally:
        bullet.disconnect(client)


class _Scene:
    """A floor, up to two bodies that stand still, and those that a motion adds.

    Args:
        bullet: the module.
        client: number of the simulation.
        rng: of everything that is drawn.
        folder: for the files of textures, which PyBullet reads.
    """

    def __init__(self, bullet: Any, client: int, rng: np.random.Generator, folder: Path) -> None:
        self.bullet, self.client, self.rng, self._folder = bullet, client, rng, folder
        self._textures = 0
        azimuth = rng.uniform(0, 2 * np.pi)
        # The camera looks along -towards; motions go along right, so that they are seen.
        self.towards = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
        self.right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
        floor = self.body((0, 0, -_FLOOR), moves=False, shape="cube", size=_FLOOR)
        self.place(floor, (0, 0, -_FLOOR), (0, 0, 0, 1))
        bullet.changeDynamics(floor, -1, restitution=0.95, lateralFriction=0.3, physicsClientId=client)
        # So that the number of bodies says nothing about the motion.
        for angle in rng.uniform(0, 2 * np.pi, rng.integers(0, 3)):
            self.body((1.6 * np.cos(angle), 1.6 * np.sin(angle), 0.35), moves=False)

    def gravity(self) -> None:
        """Let bodies fall."""
        self.bullet.setGravity(0, 0, -9.8, physicsClientId=self.client)

    def body(self, at: Any, *, moves: bool = True, shape: str | None = None, size: float | None = None) -> int:
        """Add a body of a drawn shape, size, texture and turn; one that does not move is only moved by ``place``."""
        rng, bullet, own = self.rng, self.bullet, {"physicsClientId": self.client}
        shape = shape or str(rng.choice(_SHAPES))
        size = size or rng.uniform(0.35, 0.55)
        solid, seen = _geometry(bullet, shape, size)
        turn = bullet.getQuaternionFromEuler(rng.uniform(0, 2 * np.pi, 3).tolist())
        made: int = bullet.createMultiBody(
            float(moves),
            bullet.createCollisionShape(**solid, **own),
            bullet.createVisualShape(**seen, rgbaColor=[1, 1, 1, 1], **own),
            list(at),
            turn,
            **own,
        )
        colour = [*rng.uniform(0.4, 1, 3), 1]
        bullet.changeVisualShape(made, -1, textureUniqueId=self._texture(), rgbaColor=colour, **own)
        bullet.changeDynamics(made, -1, restitution=0.95, linearDamping=0, angularDamping=0, **own)
        return made

    def place(self, body: int, at: Any, turn: Any = None) -> None:
        """Put a body somewhere; it keeps its turn where none is given."""
        turn = self.turn(body) if turn is None else turn
        self.bullet.resetBasePositionAndOrientation(body, list(at), list(turn), physicsClientId=self.client)

    def push(self, body: int, velocity: Any, spin: Any = (0, 0, 0)) -> None:
        """Give a body a velocity in m/s, and an angular one in rad/s."""
        self.bullet.resetBaseVelocity(body, list(velocity), list(spin), physicsClientId=self.client)

    def height(self, body: int) -> float:
        """Of a body's centre above the floor."""
        return float(self.bullet.getBasePositionAndOrientation(body, physicsClientId=self.client)[0][2])

    def speed(self, body: int) -> np.ndarray:
        """The velocity [3] of a body."""
        return np.array(self.bullet.getBaseVelocity(body, physicsClientId=self.client)[0])

    def turn(self, body: int) -> tuple[float, ...]:
        """The quaternion of a body's turn."""
        return tuple(self.bullet.getBasePositionAndOrientation(body, physicsClientId=self.client)[1])

    def _texture(self) -> int:
        path = self._folder / f"{self._textures}.png"
        self._textures += 1
        cv2.imwrite(str(path), _pattern(self.rng))
        return int(self.bullet.loadTexture(str(path), physicsClientId=self.client))


def _geometry(bullet: Any, shape: str, size: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of a collision shape and of a visual shape."""
    if shape in _SIDES:
        sides = [share * size for share in _SIDES[shape]]
        return ({"shapeType": bullet.GEOM_BOX, "halfExtents": sides},) * 2
    kind = getattr(bullet, f"GEOM_{shape.upper()}")
    radius = {"sphere": 1.0, "cylinder": 0.8, "capsule": 0.6}[shape] * size
    round_body = {"shapeType": kind, "radius": radius}
    if shape == "sphere":
        return round_body, round_body
    # One length, by two names.
    return {**round_body, "height": 1.4 * size}, {**round_body, "length": 1.4 * size}


def _pattern(rng: np.random.Generator) -> np.ndarray:
    """Stripes, checks or slanted stripes of two colours with grain: uint8 [64, 64, 3]."""
    y, x = np.mgrid[:64, :64] / 64
    colours = rng.uniform(40, 215, (2, 3))
    waves = 2 * np.pi * rng.integers(1, 5)
    cover = (np.sin(waves * x), np.sin(waves * x) * np.sin(waves * y), np.sin(waves * (x + y)))[rng.integers(3)] > 0
    grain = rng.normal(0, rng.uniform(0, 25), (64, 64, 1))
    return np.clip(np.where(cover[..., None], *colours) + grain, 0, 255).astype(np.uint8)


@dataclass
class _Camera:
    """A camera at a drawn place, with drawn light and sky.

    Attributes:
        scene: that is seen.
        size: height and width of the picture.
    """

    scene: _Scene
    size: tuple[int, int]

    def __post_init__(self) -> None:
        rng, bullet, own = self.scene.rng, self.scene.bullet, {"physicsClientId": self.scene.client}
        elevation, distance = rng.uniform(0.15, 0.7), rng.uniform(2.8, 3.6)
        target = np.array([0, 0, 0.8]) + rng.uniform(-0.25, 0.25, 3)
        eye = target + distance * (np.cos(elevation) * self.scene.towards + [0, 0, np.sin(elevation)])
        height, width = self.size
        self._arguments = {
            "width": width,
            "height": height,
            "viewMatrix": bullet.computeViewMatrix(eye.tolist(), target.tolist(), [0, 0, 1], **own),
            "projectionMatrix": bullet.computeProjectionMatrixFOV(50, width / height, 0.1, 40, **own),
            "lightDirection": (2 * self.scene.towards + rng.uniform(-1.5, 1.5, 3) + [0, 0, 2.5]).tolist(),
            "lightColor": rng.uniform(0.7, 1, 3).tolist(),
            "lightAmbientCoeff": 0.55,
            "lightDiffuseCoeff": 0.5,
            "shadow": 1,
            "renderer": bullet.ER_TINY_RENDERER,
            **own,
        }
        self._sky = rng.uniform(60, 240, 3).astype(np.uint8)

    def picture(self) -> np.ndarray:
        """uint8 [H, W, 3]."""
        found = self.scene.bullet.getCameraImage(**self._arguments)
        pixels = np.reshape(found[2], (*self.size, 4))[..., :3].astype(np.uint8)
        # The renderer's sky is white, and nothing else is.
        return np.where((pixels >= 254).all(-1, keepdims=True), self._sky, pixels)


def _bounce(scene: _Scene) -> Callable[[float], None]:
    """One or two bodies fall and jump again where they have come to rest."""
    scene.gravity()
    sides = (-0.5, 0.5)[: scene.rng.integers(1, 3)]
    bodies = [scene.body(scene.right * side + [0, 0, scene.rng.uniform(1.2, 2.2)]) for side in sides]

    def act(time: float) -> None:
        for body in bodies:
            speed = scene.speed(body)
            if scene.height(body) < 0.45 and abs(speed[2]) < 0.6:
                scene.push(body, [*(0.2 * speed[:2]), scene.rng.uniform(4, 5.5)], scene.rng.uniform(-2, 2, 3))

    return act


def _throw(scene: _Scene) -> Callable[[float], None]:
    """A body flies through the picture in an arc, once a second."""
    scene.gravity()
    body = scene.body((0, 0, 9))
    forwards = scene.right * scene.rng.choice([-1, 1])
    again = 0.0

    def act(time: float) -> None:
        nonlocal again
        if time >= again:
            scene.place(body, -1.4 * forwards + [0, 0, 0.7])
            up = [0, 0, scene.rng.uniform(3.2, 4.2)]
            scene.push(body, scene.rng.uniform(2.6, 3.4) * forwards + up, scene.rng.uniform(-5, 5, 3))
            again = time + 0.95

    return act


def _glide(scene: _Scene) -> Callable[[float], None]:
    """A body crosses the picture at an even pace."""
    body = scene.body((0, 0, 0), moves=False)
    forwards, pace = scene.right * scene.rng.choice([-1, 1]), scene.rng.uniform(1.3, 2.2)
    aside = scene.rng.uniform(-0.5, 0.5) * scene.towards + [0, 0, scene.rng.uniform(0.5, 1.2)]
    start = scene.rng.uniform(0, 3.6)
    return lambda time: scene.place(body, ((time * pace + start) % 3.6 - 1.8) * forwards + aside)


def _swing(scene: _Scene) -> Callable[[float], None]:
    """A body swings as on a rod, and turns with it."""
    body = scene.body((0, 0, 0), moves=False)
    rod, reach, pace = scene.rng.uniform(1.1, 1.6), scene.rng.uniform(0.6, 1.0), scene.rng.uniform(3.5, 5.5)
    start, turn = scene.rng.uniform(0, 2 * np.pi), scene.turn(body)

    def act(time: float) -> None:
        angle = reach * np.sin(pace * time + start)
        place = rod * np.sin(angle) * scene.right + [0, 0, 2.1 - rod * np.cos(angle)]
        scene.place(body, place, _turned(scene, scene.towards, -angle, turn))

    return act


def _spin(scene: _Scene) -> Callable[[float], None]:
    """A body turns in its place."""
    body = scene.body((0, 0, 0), moves=False)
    place = scene.rng.uniform(-0.7, 0.7) * scene.right + [0, 0, scene.rng.uniform(0.6, 1.2)]
    axis = scene.rng.normal(size=3)
    pace, turn = scene.rng.uniform(4, 8), scene.turn(body)
    return lambda time: scene.place(body, place, _turned(scene, axis, pace * time, turn))


def _shake(scene: _Scene) -> Callable[[float], None]:
    """A body trembles to and fro, or up and down."""
    body = scene.body((0, 0, 0), moves=False)
    place = scene.rng.uniform(-0.7, 0.7) * scene.right + [0, 0, scene.rng.uniform(0.6, 1.2)]
    along = scene.rng.uniform(0.12, 0.25) * (scene.right if scene.rng.integers(2) else np.array([0, 0, 1.0]))
    pace, start = scene.rng.uniform(14, 20), scene.rng.uniform(0, 2 * np.pi)
    return lambda time: scene.place(body, place + np.sin(pace * time + start) * along)


def _collide(scene: _Scene) -> Callable[[float], None]:
    """Two bodies meet, and part again."""
    pair = [scene.body((0, 0, 0), moves=False) for _ in range(2)]
    pace, start, height = scene.rng.uniform(1.0, 1.6), scene.rng.uniform(0, 2), scene.rng.uniform(0.5, 1.1)

    def act(time: float) -> None:
        apart = 0.38 + 1.3 * abs((time * pace + start) % 2 - 1)
        for side, body in zip((-apart, apart), pair, strict=True):
            scene.place(body, side * scene.right + [0, 0, height])

    return act


def _topple(scene: _Scene) -> Callable[[float], None]:
    """A tower of four boxes is pushed over, and built again."""
    scene.gravity()
    tower = [scene.body((0, 0, 9 + level), shape="box", size=0.32) for level in range(4)]
    again = 0.0

    def act(time: float) -> None:
        nonlocal again
        if time >= again:
            for level, box in enumerate(tower):
                turn = scene.bullet.getQuaternionFromEuler([0, 0, scene.rng.uniform(0, 2 * np.pi)])
                scene.place(box, [*scene.rng.uniform(-0.06, 0.06, 2), 0.28 + 0.5 * level], turn)
                scene.push(box, (0, 0, 0))
            push = scene.right * scene.rng.choice([-1, 1]) * scene.rng.uniform(1.5, 2.5)
            scene.push(tower[-1], push)
            scene.push(tower[-2], 0.6 * push)
            again = time + 1.3

    return act


def _turned(scene: _Scene, axis: np.ndarray, angle: float, turn: Any) -> Any:
    """A turn by an angle in radians about an axis, after another turn."""
    unit = axis / np.linalg.norm(axis)
    further = scene.bullet.getQuaternionFromAxisAngle(unit.tolist(), angle)
    return scene.bullet.multiplyTransforms([0, 0, 0], further, [0, 0, 0], turn)[1]


MOTIONS: dict[str, Motion] = {
    "bounce": _bounce,
    "throw": _throw,
    "glide": _glide,
    "swing": _swing,
    "spin": _spin,
    "shake": _shake,
    "collide": _collide,
    "topple": _topple,
}
