"""Files that end before their container says so."""

from __future__ import annotations

import pytest

from rhovideo.data.loading.scanning import check_video
from rhovideo.data.video.reader import Video
from tests.data.video_files import write_video

CONTAINERS = {"mkv": "libx264", "webm": "libvpx-vp9", "ts": "libx264", "m2ts": "mpeg2video"}


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_file_that_was_cut_is_named(suffix, share, tmp_path):
    path = write_video(tmp_path / f"video.{suffix}", CONTAINERS[suffix], size=(160, 120))
    data = path.read_bytes()
    assert check_video(str(path)) is None
    # Not at the end of a packet of a transport stream, where it may look like a shorter one.
    path.write_bytes(data[: int(len(data) * share) // 192 * 192 + 100])
    assert "cut off" in check_video(str(path))
    with Video(path) as video:
        assert "cut off" in video.defect
        assert len(video.frames([0])) == 1


def test_a_live_recording_does_not_say_its_size(tmp_path):
    path = write_video(tmp_path / "video.mkv", "libx264", container_options={"live": "1"})
    assert check_video(str(path)) is None


@pytest.mark.parametrize("begin", [b"\0", b"\0" * 100])
def test_a_transport_stream_may_begin_with_other_bytes(begin, tmp_path):
    path = write_video(tmp_path / "video.ts", "libx264")
    path.write_bytes(begin + path.read_bytes())
    assert check_video(str(path)) is None
