"""The augmentation of a clip as a whole: one draw for all frames, switches, determinism, normalising."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rhovideo.config.schema import get_cfg
from rhovideo.data.augment.clip_augmentation import TrainAugmentation, build_augmentation, normalise
from rhovideo.data.augment.colour import ColourAugmentation, temporal_difference
from rhovideo.data.augment.crops import EvalCrops, draw_short_side_box
from rhovideo.randomness import Stream, generator


def aug_plus(size=32, **keys):
    """The released default ("aug+") at a small size."""
    cfg = get_cfg()
    cfg.DATA.TRAIN_CROP_SIZE = size
    cfg.DATA.TRAIN_JITTER_SCALES_RELATIVE = [0.2, 0.766]
    cfg.DATA.TRAIN_JITTER_ASPECT_RELATIVE = [0.75, 1.3333]
    cfg.DATA.SSL_COLOR_JITTER = True
    cfg.DATA.SSL_MOCOV2_AUG = True
    cfg.DATA.SSL_COLOR_BRI_CON_SAT = [0.6, 0.6, 0.6]
    cfg.DATA.SSL_COLOR_HUE = 0.15
    cfg.DATA.COLOR_RND_GRAYSCALE = 0.2
    for key, value in keys.items():
        cfg.DATA[key] = value
    return cfg


def noise(frames=4, height=48, width=60, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def draw(index):
    return generator(Stream.AUGMENTATION, 1, 0, index, 0, 0, 0)


@pytest.mark.parametrize("relative", [True, False])
def test_all_frames_of_a_clip_get_the_same_draw(relative):
    cfg = aug_plus()
    if not relative:
        cfg.DATA.TRAIN_JITTER_SCALES_RELATIVE = cfg.DATA.TRAIN_JITTER_ASPECT_RELATIVE = []
        cfg.DATA.TRAIN_JITTER_SCALES = [36, 48]
    augmentation = build_augmentation(cfg, "pretrain")
    still = np.repeat(noise(frames=1), 5, axis=0)
    for index in range(60):
        out = augmentation(still, draw(index))
        assert (out == out[:1]).all()


def test_equal_generators_give_equal_clips_and_others_do_not():
    augmentation = build_augmentation(aug_plus(TIME_DIFF_PROB=0.2), "pretrain")
    clip = noise()
    outs = [augmentation(clip, draw(index)) for index in range(30)]
    again = [augmentation(clip, draw(index)) for index in range(30)]
    assert all(np.array_equal(a, b) for a, b in zip(outs, again, strict=True))
    assert len({out.tobytes() for out in outs}) == 30


@settings(deadline=None, max_examples=60)
@given(
    frames=st.integers(1, 4),
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    size=st.integers(1, 40),
    relative=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_any_frame_size_gives_a_contiguous_square_of_bytes_and_stays_as_it_is(
    frames, height, width, size, relative, seed
):
    augmentation = TrainAugmentation(
        size=size,
        short_sides=(size, 2 * size),
        areas=(0.2, 0.766) if relative else (),
        aspects=(0.75, 1.3333) if relative else (),
        time_diff_prob=0.2,
        colour=ColourAugmentation(grey_prob=0.2),
    )
    clip = noise(frames, height, width, seed)
    before = clip.copy()
    out = augmentation(clip, np.random.default_rng(seed))
    assert out.shape == (frames, size, size, 3)
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous
    assert out.flags.owndata or out.base is not clip
    assert not np.shares_memory(out, clip)
    assert np.array_equal(clip, before)


def test_a_read_only_or_strided_clip_is_as_good_as_a_copy():
    augmentation = build_augmentation(aug_plus(), "pretrain")
    clip = noise()
    clip.flags.writeable = False
    for view in (clip, clip[::-1], clip[:, ::-1], clip[:, :, ::2], clip[..., ::-1], clip.transpose(0, 2, 1, 3)):
        for index in range(8):
            assert np.array_equal(augmentation(view, draw(index)), augmentation(view.copy(), draw(index)))


def test_everything_off_is_the_centre_crop():
    augmentation = build_augmentation(aug_plus(AUG_SPATIAL=False, SSL_COLOR_JITTER=False), "pretrain")
    clip = noise()
    assert np.array_equal(augmentation(clip, draw(0)), EvalCrops(32)(clip)[0])
    square = noise(height=32, width=32)
    assert np.array_equal(augmentation(square, draw(0)), square)


def test_space_off_leaves_colour_on():
    augmentation = build_augmentation(aug_plus(AUG_SPATIAL=False), "pretrain")
    clip = noise()
    centre = EvalCrops(32)(clip)[0]
    outs = [augmentation(clip, draw(index)) for index in range(40)]
    changed = [not np.array_equal(out, centre) for out in outs]
    assert 0.7 < np.mean(changed) < 1.0
    grey = [out for out in outs if np.ptp(out, axis=-1).max() == 0]
    assert grey


def test_colour_off_leaves_the_same_crop_without_colour_changes():
    no_strength = {"SSL_COLOR_BRI_CON_SAT": [0.0] * 3, "SSL_COLOR_HUE": 0.0, "COLOR_RND_GRAYSCALE": 0.0}
    with_colour = build_augmentation(aug_plus(**no_strength, SSL_BLUR_PROB=0.0), "pretrain")
    without = build_augmentation(aug_plus(SSL_COLOR_JITTER=False), "pretrain")
    clip = noise()
    for index in range(40):
        plain, coloured = without(clip, draw(index)), with_colour(clip, draw(index))
        # To hues of 256 steps and back costs up to 6 levels.
        assert np.abs(plain.astype(int) - coloured).max() <= 6


def test_flip_rate_and_switch():
    clip = np.zeros((1, 32, 32, 3), np.uint8)
    clip[:, :, 16:] = 255  # bright on the right
    keys = {
        "SSL_COLOR_JITTER": False,
        "TRAIN_JITTER_SCALES_RELATIVE": [0.9, 1.0],
        "TRAIN_JITTER_ASPECT_RELATIVE": [1.0, 1.0],
    }
    flipping = build_augmentation(aug_plus(**keys), "pretrain")
    flips = sum(int(flipping(clip, draw(index))[0, 0, 0, 0] > 128) for index in range(2000))
    assert stats.binomtest(flips, 2000, 0.5).pvalue > 1e-3
    steady = build_augmentation(aug_plus(**keys, RANDOM_FLIP=False), "pretrain")
    assert not any(steady(clip, draw(index))[0, 0, 0, 0] > 128 for index in range(50))


def test_temporal_difference_replaces_colour_at_its_rate():
    keys = {"AUG_SPATIAL": False, "TIME_DIFF_PROB": 0.3}
    augmentation = build_augmentation(aug_plus(**keys), "pretrain")
    clip = noise(height=32, width=32)
    expected = temporal_difference(clip)
    hits = sum(np.array_equal(augmentation(clip, draw(index)), expected) for index in range(1500))
    assert stats.binomtest(hits, 1500, 0.3).pvalue > 1e-3


def test_configuration_keys_reach_their_parts():
    cfg = aug_plus(SSL_COLOR_PROB=0.7, SSL_BLUR_PROB=0.4, SSL_BLUR_SIGMA_MIN=[0.0, 0.2], SSL_BLUR_SIGMA_MAX=[0.0, 1.5])
    augmentation = TrainAugmentation.from_cfg(cfg, "train")
    assert augmentation.areas == (0.2, 0.766)
    assert augmentation.aspects == (0.75, 1.3333)
    assert augmentation.colour == ColourAugmentation(
        strengths=(0.6, 0.6, 0.6),
        hue=0.15,
        jitter_prob=0.7,
        grey_prob=0.2,
        blur_prob=0.4,
        blur_sigma=(0.2, 1.5),
        moco_v2=True,
    )


def test_purposes():
    cfg = aug_plus(TEST_CROP_SIZE=40)
    clip = noise()
    assert build_augmentation(cfg, "eval")(clip).shape == (1, 4, 32, 32, 3)
    assert build_augmentation(cfg, "test")(clip).shape == (3, 4, 40, 40, 3)
    with pytest.raises(ValueError, match="pretrain"):
        build_augmentation(cfg, "training")


def test_an_aspect_ratio_without_an_area_is_refused_by_its_key():
    with pytest.raises(ValueError, match="TRAIN_JITTER_SCALES_RELATIVE"):
        build_augmentation(aug_plus(TRAIN_JITTER_SCALES_RELATIVE=[]), "pretrain")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_normalise_is_the_textbook_formula_and_channels_last(dtype, leading):
    clips = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (*leading, 4, 5, 6, 3), dtype=np.uint8))
    mean, std = [0.45, 0.4, 0.5], [0.225, 0.2, 0.25]
    out = normalise(clips, mean, std, dtype)
    centred = clips.double() / 255 - torch.tensor(mean, dtype=torch.float64)
    expected = (centred / torch.tensor(std, dtype=torch.float64)).movedim(-1, -4)
    assert out.dtype == dtype
    assert out.shape == (*leading, 3, 4, 5, 6)
    assert out.stride(-4) == 1
    torch.testing.assert_close(out.double(), expected, rtol=torch.finfo(dtype).eps, atol=8 * torch.finfo(dtype).eps)
    if len(leading) == 1:
        assert out.is_contiguous(memory_format=torch.channels_last_3d)


def test_short_sides_are_drawn_as_the_configuration_says():
    cfg = get_cfg()
    cfg.DATA.INV_UNIFORM_SAMPLE = True
    drawn = TrainAugmentation.from_cfg(cfg).draw_box(2560, 2560, np.random.default_rng(3))
    assert drawn == draw_short_side_box(2560, 2560, 224, (256, 320), np.random.default_rng(3), inverse=True)
    assert drawn != draw_short_side_box(2560, 2560, 224, (256, 320), np.random.default_rng(3))
