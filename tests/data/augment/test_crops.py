"""Crops: where they lie, what they hold, and how they are drawn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rhovideo.data.augment.crops import EvalCrops, draw_area_box, draw_short_side_box, resize_into
from rhovideo.data.video.picture.box import Box


def ramps(height, width, frames=2):
    """Frames whose red grows from left to right, green from top to bottom, blue with time."""
    clip = np.empty((frames, height, width, 3), np.uint8)
    clip[..., 0] = np.linspace(0, 255, width).round()
    clip[..., 1] = np.linspace(0, 255, height).round()[:, None]
    clip[..., 2] = (np.arange(frames) * 10)[:, None, None]
    return clip


def noise(height, width, frames=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def bilinear(clip, height, width):
    """The released resize: torch's bilinear interpolation without anti-aliasing."""
    tensor = torch.from_numpy(clip.copy()).permute(0, 3, 1, 2).double()
    out = torch.nn.functional.interpolate(tensor, size=(height, width), mode="bilinear", align_corners=False)
    return out.permute(0, 2, 3, 1).numpy()


def resize_box(clip, box, height, width, flip=False):
    """A box of every frame, resized."""
    out = np.empty((len(clip), height, width, 3), np.uint8)
    for source, target in zip(
        clip[:, box.top : box.top + box.height, box.left : box.left + box.width], out, strict=True
    ):
        resize_into(source, target, flip)
    return out


@pytest.mark.parametrize("box", [Box(0, 0, 40, 60), Box(5, 7, 21, 33), Box(39, 59, 1, 1), Box(3, 2, 20, 20)])
@pytest.mark.parametrize("flip", [False, True])
def test_a_box_is_resized_bilinearly_as_released(box, flip):
    clip = noise(40, 60)
    expected = bilinear(clip[:, box.top : box.top + box.height, box.left : box.left + box.width], 24, 32)
    if flip:
        expected = expected[:, :, ::-1]
    ours = resize_box(clip, box, 24, 32, flip=flip)
    assert ours.shape == (2, 24, 32, 3)
    assert np.abs(ours - expected).max() <= 1.0


def test_strong_shrinking_averages_instead_of_aliasing():
    checks = np.zeros((1, 160, 160, 3), np.uint8)
    checks[:, (np.indices((160, 160)).sum(0) % 2).astype(bool)] = 255
    ours = resize_box(checks, Box(0, 0, 160, 160), 20, 20)
    assert np.abs(ours.astype(int) - 127).max() <= 1


@pytest.mark.parametrize(
    ("height", "width", "halvings"), [(41, 60, 1), (48, 47, 1), (80, 200, 1), (80, 38, 0), (163, 170, 2), (170, 190, 3)]
)
def test_strong_shrinking_halves_before_it_interpolates(height, width, halvings):
    clip = noise(height, width)
    expected = clip.astype(np.float64)
    for _ in range(halvings):
        rows, columns = expected.shape[1] // 2, expected.shape[2] // 2
        expected = expected[:, : 2 * rows, : 2 * columns].reshape(2, rows, 2, columns, 2, 3).mean((2, 4))
    ours = resize_box(clip, Box(0, 0, height, width), 20, 20)
    # Each halving rounds, and so does the interpolation.
    assert np.abs(ours - bilinear(expected, 20, 20)).max() <= 0.5 * (halvings + 1) + 0.5


def test_a_box_of_the_wanted_size_is_copied():
    clip = noise(20, 30)
    ours = resize_box(clip, Box(2, 3, 16, 16), 16, 16)
    assert np.array_equal(ours, clip[:, 2:18, 3:19])
    assert not np.shares_memory(ours, clip)


def test_any_memory_layout_is_read_right():
    clip = noise(24, 30)
    box = Box(1, 2, 18, 20)
    for view in (clip[:, ::-1, ::-1], clip.transpose(0, 2, 1, 3), clip[..., ::-1], clip[:, 2:, 4:]):
        assert np.array_equal(resize_box(view, box, 12, 12), resize_box(view.copy(), box, 12, 12))


@settings(deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), size=st.integers(1, 64), seed=st.integers(0, 1000))
def test_boxes_lie_within_the_frame_whatever_its_size(height, width, size, seed):
    rng = np.random.default_rng(seed)
    boxes = [
        draw_short_side_box(height, width, size, (size, 2 * size), rng),
        draw_short_side_box(height, width, size, (1, 2), rng),
        draw_area_box(height, width, (0.01, 1.0), (0.75, 1.3333), rng),
        draw_area_box(height, width, (0.9, 1.0), (1.0, 1.0), rng),
    ]
    for box in boxes:
        assert box.height >= 1
        assert box.width >= 1
        assert 0 <= box.top <= height - box.height
        assert 0 <= box.left <= width - box.width


def test_short_side_crops_follow_the_released_law():
    rng = np.random.default_rng(1)
    height, width, size = 1080, 1920, 224
    boxes = [draw_short_side_box(height, width, size, (256, 320), rng) for _ in range(4000)]
    assert all(box.height == box.width for box in boxes)
    # Each integer from 257 to 319 is equally likely, 256 and 320 half as much (a rounded uniform number).
    short_sides = np.array([round(height * size / box.height) for box in boxes])
    sides, counts = np.unique(short_sides, return_counts=True)
    expected = np.where((sides == 256) | (sides == 320), 0.5, 1.0) / 64 * len(boxes)
    assert sides.tolist() == list(range(256, 321))
    assert stats.chisquare(counts, expected).pvalue > 1e-3
    assert_uniform_places(boxes, height, width)


def test_area_crops_follow_the_released_law():
    rng = np.random.default_rng(2)
    height, width = 1000, 1000
    boxes = [draw_area_box(height, width, (0.2, 0.5), (0.75, 1.3333), rng) for _ in range(4000)]
    areas = np.array([box.height * box.width for box in boxes]) / (height * width)
    log_aspects = np.array([math.log(box.width / box.height) for box in boxes])
    low, high = math.log(0.75), math.log(1.3333)
    # All these boxes fit, so none is drawn again and both laws are exact.
    assert stats.kstest(areas, stats.uniform(0.2, 0.3).cdf).pvalue > 1e-3
    assert stats.kstest(log_aspects, stats.uniform(low, high - low).cdf).pvalue > 1e-3
    assert_uniform_places(boxes, height, width)


def assert_uniform_places(boxes, height, width):
    """Offsets are uniform over all places at which a box fits, ends included."""
    rows = np.array([(box.top + 0.5) / (height - box.height + 1) for box in boxes])
    columns = np.array([(box.left + 0.5) / (width - box.width + 1) for box in boxes])
    assert stats.kstest(rows, "uniform").pvalue > 1e-3
    assert stats.kstest(columns, "uniform").pvalue > 1e-3
    assert abs(stats.spearmanr(rows, columns).statistic) < 0.06


def test_both_ends_of_the_frame_are_reached():
    rng = np.random.default_rng(0)
    wide = [draw_short_side_box(8, 11, 8, (8, 8), rng) for _ in range(200)]
    upright = [draw_short_side_box(11, 8, 8, (8, 8), rng) for _ in range(200)]
    assert {(box.top, box.left) for box in wide} == {(0, 0), (0, 1), (0, 2), (0, 3)}
    assert {(box.top, box.left) for box in upright} == {(0, 0), (1, 0), (2, 0), (3, 0)}


def test_a_frame_that_no_box_fits_gives_the_largest_centred_one():
    rng = np.random.default_rng(0)
    assert draw_area_box(10, 1000, (0.5, 0.6), (0.75, 4 / 3), rng) == Box(0, 493, 10, 13)
    assert draw_area_box(1000, 10, (0.5, 0.6), (0.75, 4 / 3), rng) == Box(493, 0, 13, 10)


@pytest.mark.parametrize(("height", "width"), [(256, 340), (340, 256), (240, 427), (97, 64), (64, 64), (31, 200)])
@pytest.mark.parametrize("num_crops", [1, 3])
def test_evaluation_crops_are_the_released_ones(height, width, num_crops):
    size = 64
    clip = noise(height, width)
    if min(height, width) > 2 * size:
        clip = ramps(height, width)  # where ours averages and the released code does not, on what both agree
    if width <= height:
        scaled = bilinear(clip, math.floor(height / width * size), size)
    else:
        scaled = bilinear(clip, size, math.floor(width / height * size))
    y, x = (math.ceil((side - size) / 2) for side in scaled.shape[1:3])
    if num_crops == 1:
        corners = [(y, x)]
    elif height > width:
        corners = [(0, x), (y, x), (scaled.shape[1] - size, x)]
    else:
        corners = [(y, 0), (y, x), (y, scaled.shape[2] - size)]
    ours = EvalCrops(size, num_crops)(clip)
    assert ours.shape == (num_crops, 2, size, size, 3)
    assert ours.dtype == np.uint8
    assert ours.flags.c_contiguous
    for view, (top, left) in zip(ours, corners, strict=True):
        assert np.abs(view - scaled[:, top : top + size, left : left + size]).max() <= 1.5


def test_a_square_frame_of_the_wanted_size_passes_unchanged():
    clip = noise(48, 48)
    assert np.array_equal(EvalCrops(48)(clip)[0], clip)


@settings(deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70), size=st.integers(1, 40))
def test_evaluation_takes_frames_of_any_size(height, width, size):
    clip = noise(height, width, frames=1)
    before = clip.copy()
    crops = EvalCrops(size, 3)(clip)
    assert crops.shape == (3, 1, size, size, 3)
    assert np.array_equal(clip, before)


@pytest.mark.parametrize("num_crops", [0, 2, 4])
def test_an_odd_number_of_crops_is_refused(num_crops):
    with pytest.raises(ValueError, match="NUM_SPATIAL_CROPS"):
        EvalCrops(64, num_crops)


def test_what_is_no_clip_is_refused():
    for wrong in (np.zeros((2, 8, 8, 3), np.float32), np.zeros((8, 8, 3), np.uint8), np.zeros((0, 8, 8, 3), np.uint8)):
        with pytest.raises(ValueError, match="uint8"):
            EvalCrops(4)(wrong)


def test_inverse_short_sides_have_a_uniform_inverse():
    """1 / s is uniform in [1/320, 1/256], as with DATA.INV_UNIFORM_SAMPLE in PySlowFast."""
    rng = np.random.default_rng(0)
    sides = np.array([draw_short_side_box(2560, 2560, 224, (256, 320), rng, inverse=True).height for _ in range(4000)])
    # The side of the box is 2560 * 224 / s: linear in 1 / s.
    low, high = 2560 * 224 / 320, 2560 * 224 / 256
    assert stats.kstest((sides - low) / (high - low), "uniform").pvalue > 0.01
    plain = np.array([draw_short_side_box(2560, 2560, 224, (256, 320), rng).height for _ in range(4000)])
    assert stats.kstest((plain - low) / (high - low), "uniform").pvalue < 1e-6
