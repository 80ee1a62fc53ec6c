"""A scene of the physics simulator PyBullet, and the camera that sees it through PyBullet's software renderer.

Bodies are placed by how far they are to the right, upwards and towards the viewer, in metres from the middle of the
scene's floor. All looks are drawn: textures, colours, light, sky, and where the camera stands.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

# Steps of the simulation in a second.
STEPS = 240
# Half the side of the cube whose top is the floor.
_FLOOR = 10.0


@dataclass(frozen=True)
class Look:
    """Of one body, or of several that belong together.

    Attributes:
        texture: PyBullet's number of it.
        colour: red, green, blue and cover, 0 to 1, that tint the texture.
    """

    texture: int
    colour: Sequence[float]


class Scene:
    """A floor, up to two bodies in the background that stand still, and those that a motion adds.

    Args:
        bullet: the module.
        client: number of the simulation.
        rng: of looks, camera and moments: drawn anew in each scene.
        plan: of the geometry, e.g. the number of boxes: the same draws in all scenes of a video.
        folder: for the files of textures, which PyBullet reads.
    """

    def __init__(
        self, bullet: Any, client: int, rng: np.random.Generator, plan: np.random.Generator, folder: Path
    ) -> None:
        self.bullet, self.client, self.rng, self.plan, self._folder = bullet, client, rng, plan, folder
        self._textures = 0
        # The floor's tiles lie as they do; so the scene as a whole is turned.
        self.azimuth = rng.uniform(0, 2 * np.pi)
        self._towards = np.array([np.cos(self.azimuth), np.sin(self.azimuth), 0.0])
        self._right = np.array([-np.sin(self.azimuth), np.cos(self.azimuth), 0.0])
        self.box(self.at(0, -_FLOOR), (_FLOOR, _FLOOR, _FLOOR))
        self._add_background()

    def at(self, right: float, up: float, towards: float = 0.0) -> np.ndarray:
        """The place that is so far to the right, above the floor and towards the viewer."""
        return right * self._right + towards * self._towards + np.array([0, 0, up])

    def gravity(self) -> None:
        """Let the bodies that have a mass fall."""
        self.bullet.setGravity(0, 0, -9.8, physicsClientId=self.client)

    def draw_look(self) -> Look:
        """Draw a look, for bodies that belong together."""
        path = self._folder / f"{self._textures}.png"
        self._textures += 1
        cv2.imwrite(str(path), _pattern(self.rng))
        texture = int(self.bullet.loadTexture(str(path), physicsClientId=self.client))
        return Look(texture, (*self.rng.uniform(0.6, 1, 3), 1))

    def box(
        self,
        at: np.ndarray,
        half_sides: Sequence[float],
        *,
        mass: float = 0.0,
        tilt: float = 0.0,
        look: Look | None = None,
    ) -> int:
        """Add a box.

        Args:
            at: its centre.
            half_sides: half its width, depth and height.
            mass: in kg; a body without mass moves only by :meth:`place`.
            tilt: as in :meth:`place`.
            look: drawn where it is None.

        Returns:
            The body's number.
        """
        shape = {"shapeType": self.bullet.GEOM_BOX, "halfExtents": list(half_sides)}
        return self._add(shape, at, mass, tilt, look)

    def ball(self, at: np.ndarray, radius: float, *, mass: float = 0.0, look: Look | None = None) -> int:
        """Add a ball, as :meth:`box` does."""
        return self._add({"shapeType": self.bullet.GEOM_SPHERE, "radius": radius}, at, mass, 0.0, look)

    def place(self, body: int, at: np.ndarray, tilt: float = 0.0) -> None:
        """Put a body somewhere, at rest.

        Args:
            body: its number.
            at: its centre.
            tilt: counter-clockwise from upright, as the viewer sees it, in radians.
        """
        own = {"physicsClientId": self.client}
        self.bullet.resetBasePositionAndOrientation(body, list(at), self._turn(tilt), **own)
        self.bullet.resetBaseVelocity(body, [0, 0, 0], [0, 0, 0], **own)

    def push(self, body: int, velocity: np.ndarray) -> None:
        """Give a body a velocity, in m/s."""
        self.bullet.resetBaseVelocity(body, list(velocity), physicsClientId=self.client)

    def grip(self, body: int, friction: float) -> None:
        """Set how well a body grips others: the two coefficients of friction multiply."""
        self.bullet.changeDynamics(body, -1, lateralFriction=friction, physicsClientId=self.client)

    def step(self) -> None:
        """Simulate a moment, 1 / STEPS seconds."""
        self.bullet.stepSimulation(physicsClientId=self.client)

    def _add_background(self) -> None:
        """Bodies behind the motion, so that not every body in a picture belongs to it."""
        rng = self.rng
        for _ in range(rng.integers(0, 3)):
            half = rng.uniform(0.12, 0.28)
            place = self.at(rng.uniform(-1.8, 1.8), half, -rng.uniform(0.9, 1.8))
            if rng.integers(2):
                self.box(place, (half, half, half))
            else:
                self.ball(place, half)

    def _add(self, shape: dict[str, Any], at: np.ndarray, mass: float, tilt: float, look: Look | None) -> int:
        bullet, own = self.bullet, {"physicsClientId": self.client}
        look = look or self.draw_look()
        solid, seen = bullet.createCollisionShape(**shape, **own), bullet.createVisualShape(**shape, **own)
        made: int = bullet.createMultiBody(mass, solid, seen, list(at), self._turn(tilt), **own)
        bullet.changeVisualShape(made, -1, textureUniqueId=look.texture, rgbaColor=look.colour, **own)
        return made

    def _turn(self, tilt: float) -> list[float]:
        """The quaternion of a body that faces the viewer, tilted."""
        bullet = self.bullet
        facing = bullet.getQuaternionFromEuler([0, 0, self.azimuth + np.pi / 2])
        tilted = bullet.getQuaternionFromAxisAngle(self._towards.tolist(), tilt)
        return list(bullet.multiplyTransforms([0, 0, 0], tilted, [0, 0, 0], facing)[1])


@contextmanager
def open_scene(bullet: Any, rng: np.random.Generator, plan: np.random.Generator) -> Iterator[Scene]:
    """A scene in a simulation of its own, which ends with it; the arguments are those of :class:`Scene`."""
    client = bullet.connect(bullet.DIRECT)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Scene(bullet, client, rng, plan, Path(folder))
    finally:
        bullet.disconnect(client)


class Camera:
    """A camera at a drawn place, with drawn light and sky.

    Args:
        scene: that is seen.
        size: height and width of the picture.
    """

    def __init__(self, scene: Scene, size: tuple[int, int]) -> None:
        self._bullet, self._size, rng = scene.bullet, size, scene.rng
        own = {"physicsClientId": scene.client}
        # To the side, upwards, and away from what it looks at.
        yaw, elevation, distance = rng.uniform(-0.5, 0.5), rng.uniform(0.08, 0.5), rng.uniform(2.6, 3.4)
        right, up, near = rng.uniform(-0.2, 0.2, 3)
        target = scene.at(right, 0.85 + up, near)
        level = scene.at(np.sin(yaw), 0, np.cos(yaw))
        eye = target + distance * (np.cos(elevation) * level + [0, 0, np.sin(elevation)])
        height, width = size
        self._arguments = {
            "width": width,
            "height": height,
            "viewMatrix": self._bullet.computeViewMatrix(eye.tolist(), target.tolist(), [0, 0, 1], **own),
            "projectionMatrix": self._bullet.computeProjectionMatrixFOV(50, width / height, 0.1, 40, **own),
            "lightDirection": (2 * level + rng.uniform(-1.5, 1.5, 3) + [0, 0, 2.5]).tolist(),
            "lightColor": rng.uniform(0.7, 1, 3).tolist(),
            "lightAmbientCoeff": 0.55,
            "lightDiffuseCoeff": 0.5,
            "shadow": 1,
            "renderer": self._bullet.ER_TINY_RENDERER,
            **own,
        }
        self._sky = rng.uniform(60, 240, 3).astype(np.uint8)

    def picture(self) -> np.ndarray:
        """uint8 [H, W, 3]."""
        found = self._bullet.getCameraImage(**self._arguments)
        pixels = np.reshape(found[2], (*self._size, 4))[..., :3].astype(np.uint8)
        # The number of the body that a pixel shows; below 0 there is none.
        bodies = np.reshape(found[4], (*self._size, 1))
        return np.where(bodies < 0, self._sky, pixels)


def _pattern(rng: np.random.Generator) -> np.ndarray:
    """Stripes, checks or slanted stripes of two colours with grain: uint8 [64, 64, 3]."""
    y, x = np.mgrid[:64, :64] / 64
    colours = rng.uniform(40, 215, (2, 3))
    waves = 2 * np.pi * rng.integers(1, 5)
    cover = (np.sin(waves * x), np.sin(waves * x) * np.sin(waves * y), np.sin(waves * (x + y)))[rng.integers(3)] > 0
    grain = rng.normal(0, rng.uniform(0, 25), (64, 64, 1))
    return np.clip(np.where(cover[..., None], *colours) + grain, 0, 255).astype(np.uint8)
