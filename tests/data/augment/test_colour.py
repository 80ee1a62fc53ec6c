"""Colour operations against torchvision's and float64 references."""

import colorsys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats
from torchvision.transforms.v2 import functional as tv

from rhovideo.data.augment import colour
from rhovideo.data.augment.colour import ColourAugmentation


def textured_clip(seed=0, shape=(4, 37, 53)):
    """Smooth coloured clouds with some noise: uint8 [T,H,W,3], different in every frame."""
    rng = np.random.default_rng(seed)
    frames, height, width = shape
    waves = rng.uniform(-0.2, 0.2, (frames, 3, 2))
    y, x = np.mgrid[:height, :width]
    phase = waves[..., 0, None, None] * y + waves[..., 1, None, None] * x
    clip = (
        127 + 110 * np.sin(phase + rng.uniform(0, 6, (frames, 3, 1, 1))) + rng.normal(0, 8, (frames, 3, height, width))
    )
    return np.ascontiguousarray(np.clip(clip, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1))


def as_tensor(clip):
    return torch.from_numpy(clip).permute(0, 3, 1, 2)


def as_tall_tensor(clip):
    """The released layout: frames on top of each other, one image [3,T*H,W]."""
    return torch.from_numpy(clip).flatten(0, 1).permute(2, 0, 1)


def errors(ours, theirs):
    return np.abs(ours.astype(float) - np.asarray(theirs, dtype=float))


FACTORS = [0.0, 0.4, 0.9, 1.0, 1.3, 1.6]


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", ["brightness", "saturation"])
def test_pixelwise_adjustments_agree_with_torchvision(name, factor):
    clip = textured_clip()
    ours = getattr(colour, f"adjust_{name}")(clip, factor)
    # Float images: torchvision's uint8 results are truncated, ours are rounded.
    theirs = getattr(tv, f"adjust_{name}")(as_tensor(clip) / 255.0, factor).permute(0, 2, 3, 1) * 255
    assert errors(ours, theirs).max() <= 1.0
    assert errors(ours, theirs).mean() <= 0.3


@pytest.mark.parametrize("factor", FACTORS)
def test_contrast_blends_with_the_mean_over_the_whole_clip_as_released(factor):
    clip = textured_clip()
    clip[0] //= 4  # one dark frame: the mean of a frame would be another one
    ours = colour.adjust_contrast(clip, factor)
    theirs = tv.adjust_contrast(as_tall_tensor(clip) / 255.0, factor) * 255
    # The mean is rounded to an integer, which moves everything by up to half a level times |1 - factor|.
    assert errors(ours, theirs.permute(1, 2, 0).unflatten(0, clip.shape[:2])).max() <= 1.5


@pytest.mark.parametrize("shift", [-0.5, -0.15, -0.01, 0.0, 0.1, 0.37, 0.5])
def test_hue_turns_as_in_torchvision(shift):
    clip = textured_clip()
    exact = tv.adjust_hue(as_tensor(clip) / 255.0, shift).permute(0, 2, 3, 1) * 255
    ours = errors(colour.adjust_hue(clip, shift), exact)
    # The released code goes through PIL, whose hues have 256 steps too; one step is up to 6 levels of a colour.
    pil = tv.adjust_hue(Image.fromarray(clip.reshape(-1, clip.shape[2], 3)), shift)
    assert ours.mean() <= errors(np.asarray(pil).reshape(clip.shape), exact).mean()
    assert ours.mean() <= 0.5
    assert ours.max() <= 6


def test_hue_of_a_pure_colour():
    clip = np.full((1, 2, 2, 3), (200, 40, 40), np.uint8)
    expected = np.array(colorsys.hsv_to_rgb(0.25, 0.8, 200 / 255)) * 255
    assert np.abs(colour.adjust_hue(clip, 0.25) - expected).max() <= 2


def test_grey_is_the_luma_in_all_channels():
    clip = textured_clip()
    ours = colour.to_grey(clip)
    assert errors(ours, (clip @ colour.LUMA)[..., None]).max() <= 1.0


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 2.0])
def test_blur_is_a_gaussian_in_each_frame(sigma):
    clip = textured_clip()
    ours = colour.gaussian_blur(clip, sigma)
    kernel = 2 * int(np.ceil(3 * sigma)) + 1
    theirs = tv.gaussian_blur(as_tensor(clip).double(), [kernel, kernel], [sigma, sigma]).permute(0, 2, 3, 1)
    assert errors(ours, theirs).max() <= 1.0


def test_blur_and_jitter_do_not_leak_from_frame_to_frame():
    clip = np.zeros((3, 20, 20, 3), np.uint8)
    clip[1] = 255
    blurred = colour.gaussian_blur(clip, 2.0)
    assert np.array_equal(blurred, clip)


def test_temporal_difference_is_the_released_formula_in_bytes():
    clip = textured_clip()
    grey = clip @ colour.LUMA
    expected = np.concatenate([grey[:-1] - grey[1:], grey[-2:-1] - grey[-1:]])[..., None]
    ours = colour.temporal_difference(clip)
    assert ours.shape == clip.shape
    assert errors(ours, np.broadcast_to((expected + 255) / 2, clip.shape)).max() <= 1.0


def test_temporal_difference_of_a_single_frame_is_uniform_grey():
    assert np.isin(colour.temporal_difference(textured_clip(shape=(1, 9, 11))), (127, 128)).all()


OPERATIONS = [
    lambda clip: colour.adjust_brightness(clip, 1.3),
    lambda clip: colour.adjust_contrast(clip, 0.7),
    lambda clip: colour.adjust_saturation(clip, 1.4),
    lambda clip: colour.adjust_hue(clip, 0.1),
    lambda clip: colour.adjust_hue(clip, 0.0),
    colour.to_grey,
    lambda clip: colour.gaussian_blur(clip, 1.2),
    colour.temporal_difference,
]


@settings(deadline=None, max_examples=20)
@given(frames=st.integers(1, 4), height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99))
def test_operations_keep_shape_and_leave_their_input_alone(frames, height, width, seed):
    clip = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    before = clip.copy()
    for operation in OPERATIONS:
        out = operation(clip)
        assert out.dtype == np.uint8
        assert out.shape == clip.shape
        assert out.flags.c_contiguous
        assert not np.shares_memory(out, clip)
        assert np.array_equal(clip, before)


@pytest.mark.parametrize("frames", [1, 4])
def test_operations_write_where_they_are_told(frames):
    clip = textured_clip(shape=(frames, 11, 13))
    operations = [
        (colour.adjust_brightness, (1.3,)),
        (colour.adjust_contrast, (0.7,)),
        (colour.adjust_saturation, (1.4,)),
        (colour.adjust_hue, (0.1,)),
        (colour.to_grey, ()),
        (colour.gaussian_blur, (1.2,)),
        (colour.temporal_difference, ()),
    ]
    batch = np.zeros((len(operations), *clip.shape), np.uint8)
    for place, (operation, amounts) in zip(batch, operations, strict=True):
        returned = operation(clip, *amounts, out=place)
        assert np.shares_memory(returned, place)
        assert returned.shape == clip.shape
    expected = np.stack([operation(clip, *amounts) for operation, amounts in operations])
    assert np.array_equal(batch, expected)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operations_take_any_memory_layout(operation):
    clip = textured_clip(shape=(4, 11, 13))
    for view in (clip[:, ::-1, ::-1], clip[:, 1:8, 2:11], clip.transpose(0, 2, 1, 3), clip[::2]):
        assert np.array_equal(operation(view), operation(view.copy()))


def test_grey_input_has_no_colour_after_any_jitter():
    grey = colour.to_grey(textured_clip())
    out = ColourAugmentation(moco_v2=False)(grey, np.random.default_rng(3))
    assert np.ptp(out, axis=-1).max() == 0


def draws(augmentation, count):
    """The drawn operations of many clips: rows of (function, amount or None)."""
    rng = np.random.default_rng(11)
    return [
        [(adjust, *amounts) if amounts else (adjust, None) for adjust, amounts in augmentation.draw(rng)]
        for _ in range(count)
    ]


def test_rates_and_strengths_of_the_moco_v2_recipe():
    augmentation = ColourAugmentation(strengths=(0.6, 0.5, 0.4), hue=0.15, grey_prob=0.2)
    rows = draws(augmentation, 4000)
    for name, probability in {colour.adjust_hue: 0.8, colour.to_grey: 0.2, colour.gaussian_blur: 0.5}.items():
        hits = sum(any(call == name for call, _ in row) for row in rows)
        assert stats.binomtest(hits, len(rows), probability).pvalue > 1e-3, name
    ranges = {
        colour.adjust_brightness: (0.4, 1.6),
        colour.adjust_contrast: (0.5, 1.5),
        colour.adjust_saturation: (0.6, 1.4),
        colour.adjust_hue: (-0.15, 0.15),
        colour.gaussian_blur: (0.1, 2.0),
    }
    for name, (low, high) in ranges.items():
        amounts = [amount for row in rows for call, amount in row if call == name]
        assert stats.kstest(amounts, stats.uniform(low, high - low).cdf).pvalue > 1e-3, name


def test_the_four_operations_come_in_every_order_equally_often():
    rows = draws(ColourAugmentation(jitter_prob=1.0, blur_prob=0.0), 4800)
    orders, counts = np.unique([",".join(adjust.__name__ for adjust, _ in row) for row in rows], return_counts=True)
    assert len(orders) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


def test_without_moco_v2_grey_comes_first_jitter_always_and_no_blur():
    rows = draws(ColourAugmentation(grey_prob=0.5, moco_v2=False), 200)
    assert {len(row) for row in rows} == {4, 5}
    assert all(row[0][0] == colour.to_grey for row in rows if len(row) == 5)
    assert not any(name == colour.gaussian_blur for row in rows for name, _ in row)


def test_a_strength_above_one_never_makes_a_negative_factor():
    rows = draws(ColourAugmentation(strengths=(2.0, 2.0, 2.0), jitter_prob=1.0), 200)
    assert all(amount >= 0 for row in rows for name, amount in row if name != colour.adjust_hue)
