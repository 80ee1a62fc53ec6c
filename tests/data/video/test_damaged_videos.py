"""Files that are damaged or no videos, and whose mistake it is when decoding fails."""

import itertools
import os
import pickle
from fractions import Fraction

import av
import numpy as np
import pytest

from rhovideo.data.video import reader
from rhovideo.data.video.reader import Video, VideoReadError
from tests.data.video_files import decode_plainly, write_video


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "avi", "ts"])
def test_a_file_that_was_cut_off_gives_its_first_frames(suffix, tmp_path):
    codec = {"webm": "libvpx-vp9", "avi": "mpeg4"}.get(suffix, "libx264")
    whole = write_video(
        tmp_path / f"whole.{suffix}", codec, container_options={"movflags": "faststart"}, size=(160, 120)
    )
    images, _ = decode_plainly(whole)
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    with Video(path) as video:
        count = video.num_frames
        assert 3 <= count < 36
        assert np.array_equal(video.frames(range(count)), np.stack(images[:count]))
        if suffix in ("mp4", "avi"):
            assert "cut off" in video.defect


def test_what_cannot_be_decoded_is_named(tmp_path):
    """All but the first group of pictures overwritten by noise."""
    path = write_video(tmp_path / "video.mkv", "mpeg4", gop=12, size=(160, 120))
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.size]
    good = np.stack(decode_plainly(path)[0][:12])
    noise = np.random.default_rng(0).integers(1, 255, len(data), dtype=np.uint8).tobytes()
    for begin, end in itertools.pairwise(positions[12:]):
        data[begin + 20 : end - 20] = noise[begin + 20 : end - 20]
        data[begin + 8 : begin + 20] = bytes(12)
    path.write_bytes(data)
    with Video(path) as video:
        assert np.array_equal(video.frames(range(12)), good)
        with pytest.raises(VideoReadError, match=r"video\.mkv: .*decode"):
            video.frames([30])


UNREADABLE = {
    "empty.mp4": (b"", "is empty"),
    "text.mp4": (b"this is no video\n" * 50, "cannot be read"),
    "noise.mp4": (np.random.default_rng(0).bytes(5000), "cannot be read"),
    "network.mp4": (b"#EXTM3U\n#EXTINF:10,\nhttp://192.0.2.1/a.ts\n", "cannot be read"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_files_that_are_no_video(name, tmp_path):
    content, reason = UNREADABLE[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VideoReadError, match=f"{name}: .*{reason}"):
        Video(tmp_path / name)


def test_a_playlist_does_not_open_other_files(tmp_path):
    write_video(tmp_path / "other.mp4", "libx264", num_frames=3)
    (tmp_path / "playlist.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
    with pytest.raises(VideoReadError, match=r"playlist\.mp4: .*concat"):
        Video(tmp_path / "playlist.mp4")


def test_paths_that_are_no_file(tmp_path):
    with pytest.raises(VideoReadError, match="folder"):
        Video(tmp_path)
    with pytest.raises(VideoReadError, match=r"missing\.mp4: .*No such file"):
        Video(tmp_path / "missing.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoReadError, match="not a regular file"):
        Video(tmp_path / "pipe.mp4")


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.float32), format="fltp", layout="mono")
        silence.rate, silence.time_base = 8000, Fraction(1, 8000)
        for packet in [*sound.encode(silence), *sound.encode()]:
            container.mux(packet)
    with pytest.raises(VideoReadError, match="no video stream"):
        Video(path)


def test_errors_travel_between_processes():
    error = pickle.loads(pickle.dumps(VideoReadError("a.mp4", "is empty")))
    assert (error.path, error.reason, str(error)) == ("a.mp4", "is empty", "a.mp4: is empty")


@pytest.mark.parametrize("mistake", [ValueError("ours"), KeyError("ours"), OSError("ours")], ids=repr)
def test_a_mistake_of_the_taker_is_not_the_files(mistake, tmp_path):
    calls = []

    def take(picture, places):
        calls.append(places)
        raise mistake

    with Video(write_video(tmp_path / "video.mp4", "libx264", num_frames=6)) as video:
        with pytest.raises(type(mistake)) as raised:
            video.each([3, 4], take)
        assert raised.value is mistake
        assert len(calls) == 1
        assert video.frames([3]).shape == (1, 48, 64, 3)


def test_a_picture_that_cannot_be_converted_is_the_files(tmp_path, monkeypatch):
    def convert(picture, *arguments):
        raise av.error.InvalidDataError(1, "no such colours")

    monkeypatch.setattr(reader.Picture, "_convert", convert)
    with (
        Video(write_video(tmp_path / "video.mp4", "libx264", num_frames=6)) as video,
        pytest.raises(VideoReadError, match=r"video\.mp4: .*no such colours"),
    ):
        video.frames([3])


def test_pictures_that_change_their_shape_are_the_files(tmp_path, monkeypatch):
    """As if it turned them from the fourth on."""

    class Turning(reader.Picture):
        def __init__(self, frame, *arguments):
            super().__init__(frame, *arguments)
            if frame.time > 0.09:
                self.height, self.width = self.width, self.height

    monkeypatch.setattr(reader, "Picture", Turning)
    with Video(write_video(tmp_path / "video.mp4", "libx264", num_frames=6)) as video:
        assert len(video.frames([1, 2])) == 2
        with pytest.raises(VideoReadError, match=r"video\.mp4: .*shape.*\(48, 64\).*\(64, 48\)"):
            video.frames([2, 5])
