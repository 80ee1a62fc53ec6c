"""Frames by index equal a plain decode of the whole file, for all that the encoders write."""

import gc
import itertools

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhovideo.data.video.picture.orientation import has_matrix
from rhovideo.data.video.reader import Video
from rhovideo.data.video.stream import decoding
from tests.data.video_files import decode_plainly, picture, remux, write_video

# Frames are shown for 20 ms in the first half, for 50 and 90 ms in turn in the second.
UNEVEN_TIMES = np.cumsum([0, *[20] * 17, *[50, 90] * 9]).tolist()
EVEN, ODD = (64, 48), (61, 47)


def encodable(codec, pix_fmt, size):
    """What the encoders in PyAV's wheels accept."""
    if codec == "mpeg4":
        return pix_fmt == "yuv420p"
    if codec == "libvpx-vp9":
        return pix_fmt != "yuv420p10le"
    return size == EVEN or pix_fmt == "yuv444p"


COMBINATIONS = [
    pytest.param(*combination, id="-".join(map(str, combination)))
    for combination in itertools.product(
        ("libx264", "libx265", "mpeg4", "libvpx-vp9"),
        (1, 12, 250),
        (0, 2),
        ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le"),
        (EVEN, ODD),
    )
    if encodable(combination[0], combination[3], combination[4])
    and not (combination[2] and (combination[0] == "libvpx-vp9" or combination[1] == 1))
]


def frames_by_time(images, times, video):
    """The frames on show at the places of the video's even timeline."""
    seconds = (np.array(times) - times[0]) * float(video._stream.time_base)
    slack = float(video._stream.time_base) / 2
    places = np.arange(video.num_frames) / video.fps
    return [images[int(np.flatnonzero(seconds <= place + slack)[-1])] for place in places]


def check(path, turn=None, variable=False):
    """Some frames, then all, against the plain decode. Returns the number of frames."""
    images, times = decode_plainly(path)
    with Video(path) as video:
        assert video.num_frames == len(images)
        if variable:
            images = frames_by_time(images, times, video)
        if turn:
            images = [turn(image) for image in images]
        some = [35, 14, 14, 0, 13, 29, 30] if len(images) == 36 else [len(images) - 1, 0]
        assert (video.height, video.width) == images[0].shape[:2]
        for indices in ([len(images) // 2], some, range(len(images))):
            found = video.frames(indices)
            assert found.dtype == np.uint8
            assert found.flags.c_contiguous
            assert np.array_equal(found, np.stack([images[index] for index in indices]))
        assert video.defect == ""
    return len(images)


@pytest.mark.parametrize(("codec", "gop", "b_frames", "pix_fmt", "size"), COMBINATIONS)
def test_every_combination_decodes_as_the_whole_file_does(codec, gop, b_frames, pix_fmt, size, tmp_path):
    coding = {"gop": gop, "b_frames": b_frames, "pix_fmt": pix_fmt, "size": size}
    check(write_video(tmp_path / "constant.mp4", codec, **coding))
    check(write_video(tmp_path / "turned.mp4", codec, rotation=90, **coding), turn=np.rot90)
    check(write_video(tmp_path / "variable.mp4", codec, times_ms=UNEVEN_TIMES, **coding), variable=True)


CONTAINERS = {
    "libx264": ("mkv", "avi", "ts", "mov", "flv", "h264"),
    "libx265": ("mkv", "ts", "mov", "hevc"),
    "mpeg4": ("mkv", "avi", "ts", "mov"),
    "mpeg2video": ("mkv", "mpg"),
    "libvpx-vp9": ("webm", "mkv"),
    "libvpx": ("webm",),
    "mjpeg": ("avi",),
    "ffv1": ("mkv",),
}
REORDERING = ("libx264", "libx265", "mpeg4", "mpeg2video")


@pytest.mark.parametrize("gop", [1, 12, 250])
@pytest.mark.parametrize(
    ("codec", "suffix", "b_frames"),
    [
        (codec, suffix, b_frames)
        for codec, suffixes in CONTAINERS.items()
        for suffix in suffixes
        for b_frames in ((0, 2) if codec in REORDERING else (0,))
    ],
)
def test_every_container_decodes_as_the_whole_file_does(codec, suffix, b_frames, gop, tmp_path):
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_video(tmp_path / f"video.{suffix}", codec, gop=gop, b_frames=b_frames, pix_fmt=pix_fmt)
    check(path)
    with Video(path) as video:
        # The times of a program stream leave a gap after the first pack.
        assert video.fps == 30.0 or (suffix == "mpg" and video.fps > 29)


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"x264-params": "open-gop=1:bframes=3:keyint=9"}),
        ("libx264", {"x264-params": "intra-refresh=1:keyint=9"}),
        ("libx264", {"x264-params": "repeat-headers=1:bframes=2:keyint=9"}),
        ("libx264", {"x264-params": "bframes=8:b-pyramid=normal:ref=5:keyint=13:scenecut=0"}),
        ("libx265", {"x265-params": "log-level=none:pools=none:open-gop=1:bframes=4:keyint=9:min-keyint=9"}),
        ("libx265", {"x265-params": "log-level=none:pools=none:open-gop=0:bframes=4:keyint=9:radl=2"}),
        ("libvpx-vp9", {"deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "12"}),
    ],
    ids=["open-gop", "intra-refresh", "repeated-headers", "pyramid", "cra", "radl", "alt-ref"],
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_groups_of_pictures_that_lean_on_each_other(codec, options, suffix, tmp_path):
    path = write_video(tmp_path / f"video.{suffix}", codec, options=options, b_frames=3)
    images, _ = decode_plainly(path)
    with Video(path) as video:
        for index in range(36):
            assert np.array_equal(video.frames([index])[0], images[index])
        assert np.array_equal(video.frames(range(35, -1, -1)), np.stack(images[::-1]))


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "mp4"), ("libx264", "ts"), ("libx265", "mp4")])
def test_pictures_that_nobody_needs_are_not_decoded(codec, suffix, tmp_path, monkeypatch):
    path = write_video(tmp_path / f"video.{suffix}", codec, gop=36, b_frames=3)
    images, _ = decode_plainly(path)
    fed = []
    known = decoding.is_referenced
    monkeypatch.setattr(decoding, "is_referenced", lambda *packet: fed.append(known(*packet)) or fed[-1])
    with Video(path) as video:
        for indices in ([1, 20, 30], [35], [6, 7]):
            assert np.array_equal(video.frames(indices), np.stack([images[index] for index in indices]))
    assert fed.count(False) > len(fed) / 4


def test_where_a_wanted_picture_stays_away_all_are_decoded(clip, clip_images, monkeypatch):
    """As if pictures that others need had been left out."""
    whole = Video._pass

    def nothing_when_sparing(video, places, take, sparing):
        return set(places) if sparing else whole(video, places, take, sparing)

    monkeypatch.setattr(Video, "_pass", nothing_when_sparing)
    with Video(clip) as video:
        assert np.array_equal(video.frames([30, 7]), clip_images[[30, 7]])


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_rotation_and_mirroring_are_applied(rotation, mirrored, tmp_path):
    path = write_video(tmp_path / "video.mp4", "libx264", rotation=rotation, mirrored=mirrored, num_frames=3)

    def turn(image):
        image = np.rot90(image, rotation // 90)
        return image[:, ::-1] if mirrored else image

    check(path, turn=turn)


@pytest.mark.parametrize(
    ("codec", "suffix", "pix_fmt"),
    [("ffv1", "mkv", "gray"), ("ffv1", "mkv", "yuva420p"), ("png", "mov", "rgba"), ("gif", "gif", "pal8")],
)
def test_other_pixel_formats(codec, suffix, pix_fmt, tmp_path):
    if codec == "gif":
        pix_fmt = "rgb8"
    check(write_video(tmp_path / f"video.{suffix}", codec, pix_fmt=pix_fmt, size=ODD))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("videos") / "clip.mp4", "libx264", b_frames=2, rotation=180)


@pytest.fixture(scope="module")
def clip_images(clip):
    return np.stack([np.rot90(image, 2) for image in decode_plainly(clip)[0]])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(indices=st.lists(st.integers(0, 35), max_size=40))
def test_any_list_of_indices(clip, clip_images, indices):
    with Video(clip) as video:
        assert np.array_equal(video.frames(indices), clip_images[indices])
        assert np.array_equal(video.frames(indices[::-1]), clip_images[indices[::-1]])


def test_the_same_frames_from_a_file_that_is_read_twice(clip, clip_images, monkeypatch):
    monkeypatch.setattr(decoding, "KEPT_PACKETS_BYTES", 0)
    with Video(clip) as video:
        for indices in ([30, 2, 3], [14], range(36)):
            assert np.array_equal(video.frames(indices), clip_images[list(indices)])


def test_indices_outside_of_the_video_are_refused(clip):
    with Video(clip) as video:
        for index in (-1, 36):
            with pytest.raises(IndexError, match=r"clip\.mp4"):
                video.frames([index])


def test_variable_rates_go_by_time(tmp_path):
    """Twelve frames in one second, then twelve in two: half of the time is over at frame 15."""
    times = [i * 1000 // 12 for i in range(12)] + [1000 + i * 2000 // 12 for i in range(12)]
    path = write_video(tmp_path / "video.mkv", "libx264", num_frames=24, times_ms=times, b_frames=2)
    images, _ = decode_plainly(path)
    with Video(path) as video:
        assert video.num_frames == 24
        assert video.fps == pytest.approx(24 / (times[-1] / 1000 + 0.1), rel=0.05)
        found = video.frames(range(24))
    for place, image in enumerate(found):
        expected = max(k for k in range(24) if times[k] <= place / video.fps * 1000 + 1)
        assert np.array_equal(image, images[expected])


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("shift", [-5, 100])
def test_start_times_other_than_zero(clip, suffix, shift, tmp_path):
    """A negative start becomes an edit list in MP4, which hides the first frames."""

    def move(packets):
        for packet in packets:
            packet.pts += shift * 512
            packet.dts += shift * 512
        return packets

    path = remux(clip, tmp_path / f"video.{suffix}", move, {"avoid_negative_ts": "disabled", "use_editlist": "1"})
    count = check(path, turn=None if suffix == "ts" else lambda image: np.rot90(image, 2))
    assert count == (31 if suffix == "mp4" and shift < 0 else 36)


def test_times_that_contradict_the_order_of_frames(tmp_path):
    """MP4 files of old muxers give frames that are reordered the times of decoding."""

    def forget_reordering(packets):
        for packet in packets:
            packet.pts = packet.dts = packet.dts + 1024
        return packets

    source = write_video(tmp_path / "source.mp4", "libx264", b_frames=2)
    path = remux(source, tmp_path / "video.mp4", forget_reordering)
    images, _ = decode_plainly(source)
    with Video(path) as video:
        assert np.array_equal(video.frames([5, 6, 7, 20]), np.stack([images[i] for i in (5, 6, 7, 20)]))


def test_a_packet_without_a_picture_shows_the_one_before(tmp_path):
    """MPEG-4 has pictures that are "not coded"; FFmpeg shows nothing for them."""

    def leave_out(packets):
        for packet in packets:
            if packet.pts // 512 not in (10, 11):
                yield packet
                continue
            # Start code, type P, no seconds passed, marker, time, marker, not coded.
            bits = f"0101{packet.pts // 512 % 30:05b}10".ljust(16, "1")
            empty = av.Packet(b"\x00\x00\x01\xb6" + int(bits, 2).to_bytes(2, "big"))
            empty.pts, empty.dts, empty.time_base = packet.pts, packet.dts, packet.time_base
            yield empty

    source = write_video(tmp_path / "source.mp4", "mpeg4", gop=12)
    path = remux(source, tmp_path / "video.mp4", leave_out)
    images, _ = decode_plainly(path)
    assert len(images) == 34
    with Video(path) as video:
        assert video.num_frames == 36
        found = video.frames(range(36))
    assert np.array_equal(found[:10], np.stack(images[:10]))
    assert np.array_equal(found[10:12], np.stack([images[9], images[9]]))
    assert np.array_equal(found[12:], np.stack(images[10:]))


def test_a_recording_that_begins_in_the_middle_of_a_group(tmp_path):
    source = write_video(tmp_path / "source.ts", "libx264", b_frames=2)
    path = remux(source, tmp_path / "video.ts", lambda packets: packets[7:])
    images, _ = decode_plainly(path)
    with Video(path) as video:
        assert video.num_frames == len(images)
        assert np.array_equal(video.frames(range(len(images))), np.stack(images))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_sound_and_cover_pictures_are_passed_over(suffix, tmp_path):
    path = tmp_path / f"video.{suffix}"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 20, 30, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        video = container.add_stream("libx264", rate=30, options={"g": "12"})
        video.width, video.height = 64, 48
        sound = container.add_stream("aac", rate=8000)
        still = av.VideoFrame.from_ndarray(picture(0, 20, 30), format="rgb24")
        still.pts = 0
        packets = [*cover.encode(still), *cover.encode()]
        for index in range(36):
            packets += video.encode(av.VideoFrame.from_ndarray(picture(index, 64, 48), format="rgb24"))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.float32), format="fltp", layout="mono")
        silence.rate, silence.pts = 8000, 0
        packets += [*video.encode(), *sound.encode(silence), *sound.encode()]
        for packet in packets:
            container.mux(packet)
    with av.open(str(path)) as container:
        which = next(s for s in container.streams.video if (s.width, s.height) == (64, 48))
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(which)]
    with Video(path) as opened:
        assert opened.num_frames == 36
        assert np.array_equal(opened.frames([0, 20, 35]), np.stack([images[0], images[20], images[35]]))


def test_pictures_return_their_memory_to_the_decoder(tmp_path):
    """At once, not when Python next collects garbage: new memory for each picture takes time."""
    path = write_video(tmp_path / "video.mp4", "libx264", b_frames=2, num_frames=100)
    addresses = set()
    gc.disable()
    try:
        with Video(path) as video:
            video.each(range(100), lambda picture, places: addresses.add(picture._frame.planes[0].buffer_ptr))
    finally:
        gc.enable()
    assert len(addresses) < 30


@pytest.mark.parametrize("first", [[0], [8], [13, 0]], ids=str)
def test_key_frames_that_say_how_they_are_mirrored(first, tmp_path):
    """By a message in the stream, which the other pictures do not have; whichever is read first."""
    source = write_video(tmp_path / "source.mp4", "libx264")

    def mirror(packets):
        insert = "h264_metadata=display_orientation=insert:flip=vertical"
        message = av.BitStreamFilterContext(insert, packets[0].stream)
        return [told for packet in packets for told in message.filter(packet)]

    path = remux(source, tmp_path / "video.mp4", mirror)
    images, _ = decode_plainly(path)
    with av.open(str(path)) as container:
        mirrored = [has_matrix(frame) for frame in container.decode(video=0)]
    assert mirrored[0]
    assert not all(mirrored)
    expected = [image[::-1] if turned else image for image, turned in zip(images, mirrored, strict=True)]
    with Video(path) as video:
        video.frames(first)
        assert np.array_equal(video.frames(range(36)), expected)
