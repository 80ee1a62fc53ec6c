"""The kinds of motion of :mod:`rhovideo.demo.physics_scenes`, each with the apparatus that it needs.

An apparatus fills about half the height of the picture, and it moves so fast that 0.4 seconds show it. What falls or
rolls is simulated; what an axle or a rod guides is placed, moment by moment.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from rhovideo.demo.rendered_scene import Look, Scene

# What happens at a time, in seconds from the scene's start.
Action = Callable[[float], None]
# Adds the bodies of a motion to a scene and returns what moves them, at each step of the simulation.
Motion = Callable[[Scene], Action]


def _pendulum(scene: Scene) -> Action:
    """A ball swings on a rod that hangs from a beam on two posts."""
    height, half_width = scene.plan.uniform(1.7, 1.95), scene.plan.uniform(0.7, 0.9)
    length, radius = height - scene.plan.uniform(0.45, 0.6), scene.plan.uniform(0.22, 0.32)
    frame, weight = scene.draw_look(), scene.draw_look()
    scene.box(scene.at(0, height), (half_width + 0.1, 0.08, 0.06), look=frame)
    for side in (-half_width, half_width):
        scene.box(scene.at(side, height / 2), (0.06, 0.08, height / 2), look=frame)
    rod = scene.box(scene.at(0, 0), (0.035, 0.035, length / 2), look=weight)
    ball = scene.ball(scene.at(0, 0), radius, look=weight)
    reach, pace, start = scene.rng.uniform(0.45, 0.7), scene.rng.uniform(4, 6), scene.rng.uniform(0, 2 * np.pi)

    def act(time: float) -> None:
        tilt = reach * np.sin(pace * time + start)
        right, up = np.sin(tilt), -np.cos(tilt)
        scene.place(rod, scene.at(length / 2 * right, height + length / 2 * up), tilt)
        scene.place(ball, scene.at(length * right, height + length * up), tilt)

    return act


def _topple(scene: Scene) -> Action:
    """A tower of boxes is pushed over, and built again."""
    scene.gravity()
    half, count = scene.plan.uniform(0.18, 0.23), scene.plan.integers(4, 6)
    tower = [scene.box(scene.at(0, 5 + level), (half, half, half), mass=1) for level in range(count)]

    def build() -> None:
        for level, box in enumerate(tower):
            scene.place(box, scene.at(scene.rng.uniform(-0.04, 0.04), half * (2 * level + 1.01)))
        side = scene.rng.choice([-1, 1])
        for box, share in zip(tower[-3:], (0.4, 0.7, 1.0), strict=True):
            scene.push(box, scene.at(share * side * scene.rng.uniform(1.3, 2.0), 0))

    return _again_and_again(build, 1.2)


def _slide(scene: Scene) -> Action:
    """Balls or boxes slide down a ramp, one after the other."""
    scene.gravity()
    tilt, half_length, size = scene.plan.uniform(0.5, 0.75), 1.15, scene.plan.uniform(0.16, 0.22)
    side, wood = scene.rng.choice([-1, 1]), scene.draw_look()
    right, up = side * np.cos(tilt), np.sin(tilt)
    top = half_length * up
    ramp = scene.box(scene.at(0, top), (half_length, 0.35, 0.04), tilt=side * tilt, look=wood)
    scene.box(scene.at(0.9 * half_length * right, 0.9 * top), (0.06, 0.3, 0.9 * top), look=wood)
    scene.grip(ramp, 0.05)
    waiting = itertools.cycle(_loads(scene, 3, size, mass=1))
    # Along the ramp to just below its upper end, and from there out of the wood.
    along, out = 0.85 * half_length, size + 0.05
    start = scene.at(along * right - side * out * up, top + along * up + side * out * right)

    def release() -> None:
        body = next(waiting)
        scene.place(body, start, side * tilt)
        scene.push(body, scene.at(-right, -up))

    return _again_and_again(release, scene.rng.uniform(0.4, 0.5))


def _dominoes(scene: Scene) -> Action:
    """A row of dominoes falls, one by the other, and is set up again."""
    scene.gravity()
    count, half_height = scene.plan.integers(6, 9), scene.plan.uniform(0.38, 0.5)
    gap, side, stones = scene.plan.uniform(0.27, 0.32), scene.rng.choice([-1, 1]), scene.draw_look()
    half_sides = (0.05, scene.plan.uniform(0.2, 0.3), half_height)
    places = [scene.at(side * gap * (number - (count - 1) / 2), half_height) for number in range(count)]
    row = [scene.box(place, half_sides, mass=1, look=stones) for place in places]
    for stone in row:
        scene.grip(stone, 0.6)

    def set_up() -> None:
        for stone, place in zip(row, places, strict=True):
            scene.place(stone, place)
        # Tilted so far that it falls by itself.
        scene.place(row[0], places[0] + scene.at(0.05 * side, 0.01), -0.2 * side)
        scene.push(row[0], scene.at(1.2 * side, 0))

    return _again_and_again(set_up, 1.3)


def _seesaw(scene: Scene) -> Action:
    """A plank with a load at each end goes up and down on its pivot."""
    half_length, pivot = scene.plan.uniform(0.9, 1.1), scene.plan.uniform(0.5, 0.65)
    size, half = scene.plan.uniform(0.17, 0.25), pivot / 2**0.5
    scene.box(scene.at(0, 0), (half, 0.25, half), tilt=np.pi / 4)
    plank, load = scene.draw_look(), scene.draw_look()
    board = scene.box(scene.at(0, pivot), (half_length, 0.22, 0.04), look=plank)
    loads = _loads(scene, 2, size, look=load)
    reach = np.arcsin(0.9 * pivot / half_length)
    pace, start = scene.rng.uniform(4, 6), scene.rng.uniform(0, 2 * np.pi)

    def act(time: float) -> None:
        tilt = reach * np.sin(pace * time + start)
        along, out = np.array([np.cos(tilt), np.sin(tilt)]), np.array([-np.sin(tilt), np.cos(tilt)])
        scene.place(board, scene.at(0, pivot + 0.04), tilt)
        for end, body in zip((-1, 1), loads, strict=True):
            right, up = end * (half_length - size) * along + (size + 0.04) * out
            scene.place(body, scene.at(right, pivot + 0.04 + up), tilt)

    return act


def _rain(scene: Scene) -> Action:
    """Many small balls or boxes fall out of the sky."""
    count, size, high = int(scene.plan.integers(16, 25)), scene.plan.uniform(0.08, 0.13), 2.6
    bodies = _loads(scene, count, size, look=scene.draw_look())
    sideways, depth = scene.rng.uniform(-1.4, 1.4, count), scene.rng.uniform(-0.8, 0.6, count)
    start, pace = scene.rng.uniform(0, high, count), scene.rng.uniform(2.0, 3.0, count)

    def act(time: float) -> None:
        for body, right, towards, up in zip(bodies, sideways, depth, high - (start + pace * time) % high, strict=True):
            scene.place(body, scene.at(right, up, towards))

    return act


def _wheel(scene: Scene) -> Action:
    """A wheel of spokes turns on an axle that a post holds."""
    height, radius = scene.plan.uniform(0.9, 1.1), scene.plan.uniform(0.65, 0.85)
    bars = scene.plan.integers(2, 5)
    scene.box(scene.at(0, height / 2, -0.2), (0.09, 0.07, height / 2))
    spoke = scene.draw_look()
    spokes = [scene.box(scene.at(0, height), (radius, 0.05, 0.06), look=spoke) for _ in range(bars)]
    scene.ball(scene.at(0, height), 0.16)
    pace, start = scene.rng.choice([-1, 1]) * scene.rng.uniform(3, 6), scene.rng.uniform(0, 2 * np.pi)

    def act(time: float) -> None:
        for number, bar in enumerate(spokes):
            scene.place(bar, scene.at(0, height), start + pace * time + np.pi * number / bars)

    return act


def _bounce(scene: Scene) -> Action:
    """A ball jumps to and fro between two walls."""
    half_width, wall = scene.plan.uniform(0.75, 0.95), scene.plan.uniform(0.45, 0.7)
    radius, high = scene.plan.uniform(0.22, 0.32), scene.plan.uniform(0.8, 1.2)
    walls = scene.draw_look()
    for side in (-half_width, half_width):
        scene.box(scene.at(side, wall), (0.07, 0.4, wall), look=walls)
    ball = scene.ball(scene.at(0, 0), radius)
    room = half_width - 0.07 - radius
    across, jumps, start = scene.rng.uniform(0.7, 1.2), scene.rng.uniform(1.1, 1.6), scene.rng.uniform(0, 2)

    def act(time: float) -> None:
        right = room * (2 * abs((start + across * time) % 2 - 1) - 1)
        up = radius + high * (1 - (2 * ((start + jumps * time) % 1) - 1) ** 2)
        scene.place(ball, scene.at(right, up))

    return act


def _loads(scene: Scene, count: int, size: float, *, mass: float = 0.0, look: Look | None = None) -> list[int]:
    """So many balls or so many boxes, as the plan has it, out of sight at first."""
    far = scene.at(0, 20)
    if scene.plan.integers(2):
        return [scene.ball(far, size, mass=mass, look=look) for _ in range(count)]
    return [scene.box(far, (size, size, size), mass=mass, look=look) for _ in range(count)]


def _again_and_again(begin: Callable[[], None], seconds: float) -> Action:
    """Begin at once, and again each time that so many seconds are over."""
    due = 0.0

    def act(time: float) -> None:
        nonlocal due
        if time >= due:
            begin()
            due += seconds

    return act


MOTIONS: dict[str, Motion] = {
    "pendulum": _pendulum,
    "topple": _topple,
    "slide": _slide,
    "dominoes": _dominoes,
    "seesaw": _seesaw,
    "rain": _rain,
    "wheel": _wheel,
    "bounce": _bounce,
}
