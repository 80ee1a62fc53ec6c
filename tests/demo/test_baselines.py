"""Baselines of a set: each finds what it can see and nothing else, and validation videos choose nothing."""

import numpy as np
import pytest

from rhovideo.demo.baselines import classified, colour_histogram, frame_average, measure_baselines
from rhovideo.demo.labelled_set import VideoKind, write_labelled_set

CLASSES = ("a", "b", "c", "d")


def render(paint):
    """A kind of still videos, as ``paint(label, height, width, rng)`` paints them."""

    def pictures(class_name, split, num_frames, fps, size, rng):
        picture = paint(CLASSES.index(class_name), *size, rng)
        return np.repeat(picture[None].astype(np.uint8), num_frames, axis=0)

    return VideoKind(CLASSES, 1, pictures)


def by_colour(label, height, width, rng):
    """The class is the colour of the picture; where its noise lies is luck."""
    colour = np.array([(200, 60, 60), (60, 200, 60), (60, 60, 200), (200, 200, 60)][label])
    return np.clip(colour + rng.normal(0, 12, (height, width, 3)), 0, 255)


def by_place(label, height, width, rng):
    """A bright quarter on a dark picture; the class is which quarter."""
    picture = rng.normal(40, 6, (height, width, 3))
    top, left = (label // 2) * height // 2, (label % 2) * width // 2
    picture[top : top + height // 2, left : left + width // 2] += 160
    return np.clip(picture, 0, 255)


def measured(tmp_path, paint):
    counts = {"train_videos": 32, "val_videos": 16}
    folder = write_labelled_set(tmp_path / "set", render(paint), **counts, seconds=1.0, fps=8, size=(32, 48))
    return measure_baselines(folder)


def test_a_class_that_is_a_colour_is_found_by_the_histogram(tmp_path):
    assert measured(tmp_path, by_colour).colour_histogram_top1 == 100


def test_a_class_that_is_a_place_is_found_by_the_average_alone(tmp_path):
    found = measured(tmp_path, by_place)
    assert found.frame_average_top1 == 100
    # Chance is 25 %; of 16 videos, 9 or fewer are right by luck in 998 of 1,000 cases.
    assert found.colour_histogram_top1 <= 100 * 9 / 16


def test_the_histogram_has_shares_of_joint_colours():
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    frames[1] = (255, 31, 32)
    shares = colour_histogram(frames)
    assert shares.shape == (512,)
    assert shares.dtype == np.float32
    # The bins of a channel are 32 levels wide: red 7, green 0, blue 1.
    assert dict(zip(np.flatnonzero(shares), shares[shares > 0], strict=True)) == {0: 0.5, 7 * 64 + 1: 0.5}


def test_the_average_is_over_frames_and_keeps_places():
    frames = np.zeros((2, 32, 64, 3), np.uint8)
    frames[1, :, :32] = (255, 0, 102)
    small = frame_average(frames).reshape(16, 16, 3)
    assert small[:, :8] == pytest.approx(np.broadcast_to([0.5, 0, 0.2], (16, 8, 3)), abs=1e-6)
    assert not small[:, 8:].any()


def test_what_is_classified_has_no_part_in_the_fit():
    """A video gets the same class beside whatever others."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 4
    train = (rng.normal(0, 1, (40, 6)) + labels[:, None] * 0.5).astype(np.float32)
    test = (rng.normal(0, 1, (20, 6)) + np.arange(20)[:, None] % 4 * 0.5).astype(np.float32)
    together = classified(train, labels, test)
    strange = np.concatenate([test[:5], 100 * np.ones((30, 6))]).astype(np.float32)
    assert (classified(train, labels, strange)[:5] == together[:5]).all()
    assert len(set(together)) > 1
