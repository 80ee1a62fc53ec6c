"""A box cut out before the conversion to RGB is the box cut out after it."""

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from rhovideo.data.augment import colour
from rhovideo.data.augment.clip_augmentation import TrainAugmentation, apply, clip_builder
from rhovideo.data.augment.colour import ColourAugmentation
from rhovideo.data.video.picture import frame
from rhovideo.data.video.picture.box import Box
from rhovideo.data.video.picture.frame import Picture, RgbPicture
from rhovideo.data.video.picture.orientation import has_matrix
from rhovideo.data.video.reader import Video
from tests.data.augment.test_crops import resize_box
from tests.data.video_files import write_video

BOXES = [Box(0, 0, 48, 64), Box(0, 0, 1, 1), Box(47, 63, 1, 1), Box(5, 7, 21, 34), Box(6, 8, 20, 33), Box(1, 0, 47, 64)]
# Of FFmpeg: BT.709, unspecified, BT.601, BT.2020; unspecified, limited and full range.
MATRICES, RANGES = (1, 2, 5, 9), (0, 1, 2)


@pytest.fixture
def always_cut(monkeypatch):
    monkeypatch.setattr(frame, "_WORTH_CUTTING", -1)


def decoded(path):
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("colour_range", RANGES)
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p"])
def test_every_box_of_every_colour_space(pix_fmt, matrix, colour_range, tmp_path, always_cut):
    noise = np.random.default_rng(0).integers(0, 256, (72, 64), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, format=pix_fmt)
    frame.colorspace, frame.color_range = matrix, colour_range
    picture = Picture(frame, (64, 48), VideoReformatter(), turned=False)
    whole = picture.rgb()
    assert whole.shape == (48, 64, 3) == (picture.height, picture.width, 3)
    for box in BOXES:
        inside = whole[box.top : box.top + box.height, box.left : box.left + box.width]
        assert picture._is_worth_cutting(box)
        assert np.array_equal(picture.rgb(box), inside)
        assert np.array_equal(RgbPicture(whole).rgb(box), inside)


@pytest.mark.parametrize(
    "how",
    [
        {"rotation": 90},
        {"mirrored": True},
        {"pix_fmt": "yuv444p"},
        {"pix_fmt": "yuv420p10le"},
        {"b_frames": 2},
        {"options": {"x264-params": "interlaced=1"}},
    ],
    ids=str,
)
def test_boxes_of_decoded_pictures(how, tmp_path, always_cut):
    path = write_video(tmp_path / "video.mp4", "libx264", num_frames=3, **how)
    with Video(path) as video:
        whole = video.frames([0])[0]
    frame = decoded(path)
    picture = Picture(frame, (64, 48), VideoReformatter(), has_matrix(frame))
    assert (picture.height, picture.width) == whole.shape[:2]
    for box in (Box(3, 5, 20, 31), Box(2, 2, 40, 44)):
        assert np.array_equal(picture.rgb(box), whole[box.top : box.top + box.height, box.left : box.left + box.width])


def test_it_is_cut_where_much_is_saved():
    large = av.VideoFrame.from_ndarray(np.zeros((1080, 1280), np.uint8), format="yuv420p")
    picture = Picture(large, (1280, 720), VideoReformatter(), turned=False)
    assert picture._is_worth_cutting(Box(0, 0, 500, 500))
    assert not picture._is_worth_cutting(Box(0, 0, 720, 1280))


@pytest.mark.parametrize("time_difference", [0.0, 1.0])
def test_pictures_in_any_order_become_the_augmented_crop_of_the_clip(time_difference):
    augmentation = TrainAugmentation(
        16, areas=(0.2, 0.8), aspects=(0.7, 1.4), colour=ColourAugmentation(), time_diff_prob=time_difference
    )
    clip = np.random.default_rng(0).integers(0, 256, (4, 30, 40, 3), dtype=np.uint8)
    for seed in range(8):
        builder = clip_builder(augmentation, 4, np.random.default_rng(seed))
        builder.add(RgbPicture(clip[0]), 2)
        for time in (3, 0, 2, 1):
            builder.add(RgbPicture(clip[time]), time)
        rng = np.random.default_rng(seed)
        box, flip = augmentation.draw_crop(30, 40, rng)
        expected = apply(resize_box(clip, box, 16, 16, flip), augmentation.draw_operations(rng))
        assert np.array_equal(apply(*builder.build()[0]), expected)


def test_a_list_of_operations_writes_its_result_only():
    clip = np.random.default_rng(1).integers(0, 256, (2, 8, 9, 3), dtype=np.uint8)
    before = clip.copy()
    jitter = [(colour.adjust_brightness, (0.8,)), (colour.adjust_hue, (0.1,)), (colour.gaussian_blur, (1.0,))]
    for length in range(4):
        out = np.zeros_like(clip)
        assert np.shares_memory(apply(clip, jitter[:length], out), out)
        assert np.array_equal(out, apply(clip, jitter[:length]))
        assert np.array_equal(clip, before)
