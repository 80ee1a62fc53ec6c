"""torchcodec as a backend gives the frames of the default one, whatever the file."""

import os
import sys
import types

import av
import numpy as np
import pytest

from rhovideo.data.loading.datasets import SampleKey, build_dataset
from rhovideo.data.video.reader import Video, VideoReadError
from rhovideo.data.video.torchcodec_reader import TorchcodecVideo, open_video, require_torchcodec
from rhovideo.errors import JobError
from tests.data.video_files import remux, write_video


def usable() -> bool:
    try:
        require_torchcodec()
    except JobError:
        return False
    return True


needs_torchcodec = pytest.mark.skipif(not usable(), reason="torchcodec is not installed, or finds no FFmpeg")
# Which of these torchcodec itself decodes.
FILES = {
    "x264": ({"codec": "libx264", "b_frames": 2}, True),
    "x265": ({"codec": "libx265", "b_frames": 2}, True),
    "mpeg4": ({"codec": "mpeg4", "b_frames": 2}, False),
    "one-group": ({"codec": "libx264", "b_frames": 3, "gop": 250}, True),
    "larger": ({"codec": "libx264", "size": (340, 256), "num_frames": 36}, True),
    "odd": ({"codec": "libx264", "size": (61, 47), "pix_fmt": "yuv444p"}, False),
    "ten-bits": ({"codec": "libx264", "pix_fmt": "yuv420p10le"}, False),
    "turned": ({"codec": "libx264", "rotation": 90}, False),
    "mirrored": ({"codec": "libx264", "mirrored": True}, False),
    "interlaced": ({"codec": "libx264", "b_frames": 2, "options": {"x264-params": "interlaced=1"}}, False),
    "uneven": ({"codec": "libx264", "b_frames": 2, "times_ms": [i * i for i in range(36)]}, True),
}


@needs_torchcodec
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_frames_are_the_same(name, suffix, tmp_path, monkeypatch):
    how, by_torchcodec = FILES[name]
    path = write_video(tmp_path / f"video.{suffix}", **how)
    with Video(path) as video:
        expected = video.frames(range(video.num_frames))
        fps = video.fps
    plain = []
    decode = Video._attempt
    monkeypatch.setattr(Video, "_attempt", lambda *arguments: plain.append(1) or decode(*arguments))
    with TorchcodecVideo(path) as video:
        assert (video.num_frames, video.fps) == (len(expected), fps)
        for indices in ([20], [35, 3, 3, 17], range(len(expected))):
            assert np.array_equal(video.frames(indices), expected[list(indices)])
    # A container may keep no rotation, and torchcodec may decode what it was not expected to.
    assert not plain or not by_torchcodec


@needs_torchcodec
@pytest.mark.parametrize("codec", ["mpeg4", "mpeg2video", "libx264"])
def test_the_frames_of_a_transport_stream_are_the_same(codec, tmp_path):
    path = write_video(tmp_path / "video.ts", codec, b_frames=2)
    with Video(path) as video, TorchcodecVideo(path) as other:
        for index in range(video.num_frames):
            assert np.array_equal(other.frames([index]), video.frames([index]))


@needs_torchcodec
def test_the_frames_are_the_same_where_later_ones_are_interlaced(tmp_path):
    headers = "repeat-headers=1:keyint=12"
    kinds = ("", ":interlaced=1")
    parts = [
        write_video(tmp_path / f"{number}.ts", "libx264", options={"x264-params": headers + kind})
        for number, kind in enumerate(kinds)
    ]
    path = tmp_path / "joined.mkv"
    with av.open(str(path), "w") as joined:
        for number, part in enumerate(parts):
            with av.open(str(part)) as container:
                if not number:
                    end = container.streams.video[0].duration
                    stream = joined.add_stream_from_template(container.streams.video[0])
                for packet in container.demux(video=0):
                    if packet.size:
                        packet.stream = stream
                        packet.pts, packet.dts = (time + number * end for time in (packet.pts, packet.dts))
                        joined.mux(packet)
    with Video(path) as video, TorchcodecVideo(path) as other:
        for index in (3, 40, 60):
            assert np.array_equal(other.frames([index]), video.frames([index]))


@needs_torchcodec
@pytest.mark.parametrize("damage", ["noise", "not coded"])
def test_a_damaged_first_group_hides_no_other(damage, tmp_path):
    """Decoding its first picture raises an error, or gives no picture."""

    def spoil(packets):
        for number, packet in enumerate(packets):
            if number >= 12:
                yield packet
                continue
            content = np.random.default_rng(number).bytes(packet.size)
            if damage == "not coded":
                # Start code, type P, no seconds passed, marker, time, marker, not coded.
                bits = f"0101{number:05b}10".ljust(16, "1")
                content = b"\x00\x00\x01\xb6" + int(bits, 2).to_bytes(2, "big")
            spoilt = av.Packet(content)
            spoilt.pts, spoilt.dts, spoilt.time_base = packet.pts, packet.dts, packet.time_base
            spoilt.is_keyframe = packet.is_keyframe
            yield spoilt

    path = remux(write_video(tmp_path / "source.mp4", "mpeg4"), tmp_path / "video.mp4", spoil)
    with Video(path) as video, TorchcodecVideo(path) as same:
        assert same.num_frames == video.num_frames == 36
        assert np.array_equal(same.frames([20, 30]), video.frames([20, 30]))


@needs_torchcodec
def test_a_closed_video_has_no_file_open(tmp_path):
    def open_files():
        links = [f"/proc/self/fd/{descriptor}" for descriptor in os.listdir("/proc/self/fd")]
        return [os.readlink(link) for link in links if os.path.islink(link)].count(str(path))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs Linux's /proc")
    path = write_video(tmp_path / "video.mp4", "libx264")
    video = TorchcodecVideo(path)
    video.frames([3])
    assert open_files() == 2
    video.close()
    assert open_files() == 0


@needs_torchcodec
def test_a_dataset_gives_the_same_samples(small_cfg):
    dataset = build_dataset(small_cfg, "train", "pretrain")
    small_cfg.DATA.DECODING_BACKEND = "torchcodec"
    other = build_dataset(small_cfg, "train", "pretrain")
    for index in range(4):
        assert np.array_equal(dataset[SampleKey(0, index)].clips, other[SampleKey(0, index)].clips)


def test_the_default_needs_no_torchcodec(tmp_path):
    path = write_video(tmp_path / "video.mp4", "libx264")
    with open_video(path) as video:
        assert type(video) is Video
    (tmp_path / "none.mp4").write_bytes(b"no video")
    with pytest.raises(VideoReadError, match=r"none\.mp4"):
        open_video(tmp_path / "none.mp4", "torchcodec")


def test_without_torchcodec_it_says_what_to_do(small_cfg, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    small_cfg.DATA.DECODING_BACKEND = "torchcodec"
    with pytest.raises(JobError, match=r"write pyav, or install torchcodec \(`pip install torchcodec`"):
        build_dataset(small_cfg, "train", "pretrain")


def test_torchcodec_that_finds_no_ffmpeg_is_none(small_cfg, monkeypatch):
    """It is imported all the same, and would leave every video to the default."""
    found = types.SimpleNamespace(ffmpeg_major_version=8, decoders=types.SimpleNamespace(VideoDecoder=None))
    monkeypatch.setitem(sys.modules, "torchcodec", found)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", found.decoders)
    require_torchcodec()
    found.ffmpeg_major_version = None
    small_cfg.DATA.DECODING_BACKEND = "torchcodec"
    with pytest.raises(JobError, match=r"no FFmpeg.*: write pyav"):
        build_dataset(small_cfg, "train", "pretrain")
