"""Pictures whose damage a decoder hides: it fills them from others, and only flags them."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from rhovideo.config.files.reading import load_cfg
from rhovideo.data.loading.datasets import SampleKey, build_dataset
from rhovideo.data.video.reader import Video, VideoReadError
from tests.data.unusual_videos import DAMAGED_FRAMES, DAMAGED_GOP, DAMAGED_PACKET, write_damaged, write_packed
from tests.data.video_files import decode_plainly, remux, write_video


def read(video: Video, index: int) -> bytes | str:
    """The pixels of a frame, or what is wrong with it."""
    try:
        return video.frames([index]).tobytes()
    except VideoReadError as error:
        return error.reason


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mpeg2video"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_frame_is_right_or_an_error(codec, b_frames, tmp_path):
    sound = write_video(
        tmp_path / "sound.mkv", codec, num_frames=DAMAGED_FRAMES, gop=DAMAGED_GOP, size=(160, 120), b_frames=b_frames
    )
    expected = [image.tobytes() for image in decode_plainly(sound)[0]]
    with Video(write_damaged(tmp_path / "damaged.mkv", codec, b_frames=b_frames)) as video:
        found = [read(video, index) for index in range(DAMAGED_FRAMES)]
    assert all(pixels in (right, str(pixels)) for pixels, right in zip(found, expected, strict=True))
    # The group before the damage, which leading pictures of an open group may need.
    assert found[: DAMAGED_GOP - 2] == expected[: DAMAGED_GOP - 2]
    assert isinstance(found[DAMAGED_PACKET], str)
    if codec == "libx264":
        assert found[2 * DAMAGED_GOP :] == expected[2 * DAMAGED_GOP :]
        assert "is damaged" in found[DAMAGED_PACKET]


def test_no_call_changes_what_another_gives(tmp_path):
    path = write_damaged(tmp_path / "damaged.mp4", b_frames=2)
    alone = []
    for index in range(DAMAGED_FRAMES):
        with Video(path) as video:
            alone.append(read(video, index))
    with Video(path) as video:
        before = video.frames(range(DAMAGED_GOP - 2))
        copy = before.copy()
        with pytest.raises(VideoReadError):
            video.frames([DAMAGED_PACKET + 1])
        assert [read(video, index) for index in reversed(range(DAMAGED_FRAMES))] == alone[::-1]
        assert np.array_equal(before, copy)
        assert video.num_frames == DAMAGED_FRAMES


def test_training_replaces_such_a_video(tmp_path):
    write_damaged(tmp_path / "damaged.mp4")
    write_video(tmp_path / "sound.mp4", "libx264", size=(160, 120))
    (tmp_path / "train.csv").write_text("damaged.mp4\nsound.mp4\n")
    keys = {
        "TASK": "pretrain",
        "NUM_GPUS": 0,
        "DATA.PATH_TO_DATA_DIR": tmp_path,
        "DATA.MANIFEST_CACHE": tmp_path,
        # A clip of 32 of the 36 frames.
        "DATA.NUM_FRAMES": 8,
        "DATA.SAMPLING_RATE": 4,
        "DATA.TRAIN_CROP_SIZE": 32,
    }
    dataset = build_dataset(load_cfg(None, [word for pair in keys.items() for word in pair]), "train", "pretrain")
    sample = dataset[SampleKey(0, 0)]
    assert (sample.valid, sample.index) == (True, 1)
    assert {failure.line for failure in sample.failures} == {1}
    assert "is damaged" in sample.failures[0].reason


OPEN_GROUPS = {"x264-params": "open-gop=1:keyint=12:bframes=2"}
CLEAN_ACCESS = {"x265-params": "log-level=none:pools=none:frame-threads=1:open-gop=1:keyint=12:bframes=2"}
SOUND = {
    "open-gop": ("libx264", {"b_frames": 2, "options": OPEN_GROUPS}),
    "intra-refresh": ("libx264", {"options": {"x264-params": "intra-refresh=1:keyint=12"}}),
    "clean-random-access": ("libx265", {"b_frames": 2, "options": CLEAN_ACCESS}),
    "mpeg2": ("mpeg2video", {"b_frames": 2}),
    "mpeg4": ("mpeg4", {"b_frames": 2}),
}


@pytest.mark.parametrize("start", [0, 3, 12, 13])
@pytest.mark.parametrize("name", SOUND)
def test_sound_streams_are_read_wherever_they_begin(name, start, tmp_path):
    codec, how = SOUND[name]
    source = write_video(tmp_path / "source.ts", codec, **how)
    path = remux(source, tmp_path / "video.ts", lambda packets: packets[start:])
    with Video(path) as video:
        assert len(video.frames(range(video.num_frames))) == video.num_frames > 9
        assert video.defect == ""


def test_packed_pictures_are_all_there(tmp_path):
    path = write_packed(tmp_path / "packed.avi")
    images, _ = decode_plainly(path)
    with Video(path) as video:
        assert np.array_equal(video.frames(range(video.num_frames)), np.stack(images))
        assert video.defect == ""
        assert "its times contradict" in video.note


def forget_reordering(packets):
    """As old muxers did: frames that are reordered get the times of decoding."""
    for packet in packets:
        packet.pts = packet.dts = packet.dts + 1024
    return packets


@pytest.mark.parametrize("index", [0, 1, 2, 5, 6, 7])
def test_a_frame_does_not_become_another_one(index, tmp_path):
    """Alone, a frame may be found by a time that turns out to be another one's."""
    source = write_video(tmp_path / "source.mp4", "libx264", b_frames=2)
    path = remux(source, tmp_path / "video.mp4", forget_reordering)
    with Video(path) as video:
        first = read(video, index)
        for other in ([index, 5, 6, 7, 20], [index]):
            with contextlib.suppress(VideoReadError):
                assert video.frames(other)[0].tobytes() == first
        assert read(video, index) == first
