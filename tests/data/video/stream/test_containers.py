"""Packets that FFmpeg's parsers have not looked into say the same as those that they have."""

import os
import re
import subprocess
import sys

import av
import numpy as np
import pytest

from rhovideo.data.video.reader import Video
from rhovideo.data.video.stream import decoding
from tests.data.video_files import decode_plainly, remux, write_video

UNEVEN = np.cumsum([0, *[20] * 17, *[50, 90] * 9]).tolist()
FILES = {
    "plain.mp4": {},
    "reordered.mp4": {"b_frames": 3},
    "quicktime.mov": {"b_frames": 2},
    "variable.mp4": {"b_frames": 2, "times_ms": UNEVEN},
    "open_groups.mp4": {"b_frames": 3, "options": {"x264-params": "open-gop=1:bframes=3:keyint=9"}},
    "refreshed.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=9"}},
    "headers.mp4": {"b_frames": 2, "options": {"x264-params": "repeat-headers=1:bframes=2:keyint=9"}},
    "interlaced.mp4": {"options": {"x264-params": "interlaced=1:keyint=9"}},
    "hevc.mp4": {"codec": "libx265", "b_frames": 2},
    "fragmented.mp4": {"b_frames": 2, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "one_picture.mp4": {"num_frames": 1},
}


def tables(path, monkeypatch):
    """What is known of a file's packets by the container's word alone, and by all that FFmpeg finds out."""
    with Video(path) as video:
        assert video._stream.trusted
        trusting, frames = video._stream.table, (video.num_frames, video.fps, video.height, video.width)
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "begins_like_mp4", lambda path: False)
        with Video(path) as video:
            assert not video._stream.trusted
            assert frames == (video.num_frames, video.fps, video.height, video.width)
            return trusting, video._stream.table


def assert_equal_but_for_key_frames(trusting, parsed):
    assert np.array_equal(trusting.pts, parsed.pts)
    assert np.array_equal(trusting.shown, parsed.shown)
    # A place that the container does not tell of is no harm: decoding then starts earlier.
    assert not (trusting.restart & ~parsed.restart).any()
    assert (trusting.timed, trusting.last_duration) == (parsed.timed, parsed.last_duration)
    assert trusting.defect == parsed.defect


@pytest.mark.parametrize("name", FILES)
def test_the_same_table_of_packets(name, tmp_path, monkeypatch):
    how = {"codec": "libx264", **FILES[name]}
    path = write_video(tmp_path / name, **how)
    assert_equal_but_for_key_frames(*tables(path, monkeypatch))


@pytest.mark.parametrize("shift", [-5, 100])
def test_the_same_table_where_an_edit_list_hides_pictures(shift, tmp_path, monkeypatch):
    def move(packets):
        for packet in packets:
            packet.pts += shift * 512
            packet.dts += shift * 512
        return packets

    source = write_video(tmp_path / "source.mp4", "libx264", b_frames=2)
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    trusting, parsed = tables(remux(source, tmp_path / "video.mp4", move, options), monkeypatch)
    assert_equal_but_for_key_frames(trusting, parsed)
    assert trusting.shown.all() == (shift > 0)


def test_the_same_table_of_a_file_that_was_cut_off(tmp_path, monkeypatch):
    whole = write_video(tmp_path / "whole.mp4", "libx264", container_options={"movflags": "faststart"}, size=(160, 120))
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    trusting, parsed = tables(path, monkeypatch)
    assert_equal_but_for_key_frames(trusting, parsed)
    assert "cut off" in trusting.defect


def without_order(extradata):
    """An MP4's H.264 header as of encoders that do not say how far pictures are reordered."""
    length = int.from_bytes(extradata[6:8], "big")
    bits = "".join(f"{byte:08b}" for byte in extradata[8 : 8 + length]).rstrip("0")
    # What x264 ends with: bitstream_restriction_flag, its seven fields (2 pictures reordered, 4 held), a stop bit.
    tail = "1" + "1" + "1" + "1" + "0001001" + "0001001" + "011" + "00101" + "1"
    assert bits.endswith(tail)
    bits = bits.removesuffix(tail) + "01"
    bits += "0" * (-len(bits) % 8)
    header = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return extradata[:6] + len(header).to_bytes(2, "big") + header + extradata[8 + length :]


def test_the_main_one_of_several_streams_is_known_by_what_is_in_them(tmp_path):
    """Of two that the file names alike, the one with more bytes."""
    small = write_video(tmp_path / "small.mp4", "libx264", num_frames=30)
    large = write_video(tmp_path / "large.mp4", "libx264", size=(160, 120))
    path = tmp_path / "video.mp4"
    with av.open(str(small)) as one, av.open(str(large)) as other, av.open(str(path), "w") as new:
        sources = [(source, new.add_stream_from_template(source.streams.video[0])) for source in (one, other)]
        for source, stream in sources:
            for packet in [packet for packet in source.demux(video=0) if packet.size]:
                packet.stream = stream
                new.mux(packet)
    # Track headers: version, three bytes of flags, of which 1 and 2 mean enabled and in the movie.
    data = bytearray(path.read_bytes())
    for header in re.finditer(b"tkhd", bytes(data)):
        data[header.end() + 3] = 3
    path.write_bytes(data)
    with Video(path) as video:
        assert (video.num_frames, video.height, video.width) == (36, 120, 160)


class Taken:
    """What a video hands out, in that order."""

    def __init__(self):
        self.places, self.images = [], []

    def __call__(self, picture, places):
        self.places.append(places)
        self.images.append(picture.rgb())


@pytest.mark.parametrize("options", [{}, {"movflags": "frag_keyframe+empty_moov"}], ids=["whole", "fragmented"])
def test_every_picture_of_a_stream_that_does_not_say_how_it_is_reordered(options, tmp_path):
    """Nor does a fragmented file's header; a decoder that must guess loses the pictures by which it guesses."""
    source = write_video(
        tmp_path / "source.mp4", "libx264", b_frames=3, options={"x264-params": "bframes=3:b-pyramid=normal:keyint=12"}
    )
    images, _ = decode_plainly(source)
    path = tmp_path / "video.mp4"
    with av.open(str(source)) as old, av.open(str(path), "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.codec_context.extradata = without_order(old.streams.video[0].codec_context.extradata)
        for packet in [packet for packet in old.demux(video=0) if packet.size]:
            packet.stream = stream
            new.mux(packet)
    # All, and of three groups only the first and the last, between which the decoder is reset.
    for wanted in (list(range(36)), [0, 5, 9, 24, 29, 34]):
        taken = Taken()
        with Video(path) as video:
            assert video._stream.trusted
            video.each(wanted, taken)
        # None came only with a second attempt.
        assert taken.places == [[place] for place in range(len(wanted))]
        assert np.array_equal(taken.images, [images[index] for index in wanted])


SHOW = """
import sys
import numpy as np
from rhovideo.data.video.reader import Video
with Video(sys.argv[1]) as video:
    np.save(sys.argv[2], video.frames(range(video.num_frames)))
"""


@pytest.mark.parametrize("late", [10, 16, 20, 40])
def test_times_that_no_decoder_can_follow_end_no_process(late, tmp_path):
    """FFmpeg's H.264 decoder aborts where it is to hold back more than 16 pictures."""

    def displace(packets):
        times = [packet.pts for packet in packets]
        for place, packet in enumerate(packets):
            # One is said to be shown right after the key frame, before as many that are decoded before it.
            at = place % 50 - 1
            shown = place - late if at == late else place + 1 if 0 <= at < late else place
            packet.pts = times[shown] + times[late]
        return packets

    source = write_video(tmp_path / "source.mp4", "libx264", num_frames=100, gop=50)
    path = remux(source, tmp_path / "video.mp4", displace)
    command = [sys.executable, "-c", SHOW, str(path), str(tmp_path / "frames.npy")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert len(np.load(tmp_path / "frames.npy")) == 100


def test_headers_that_come_on_the_way_count_for_all_that_follows(tmp_path):
    """The first groups of pictures use the file's header, the others bring one of another size."""
    small = write_video(tmp_path / "small.mp4", "libx264", num_frames=24, options={"x264-params": "scenecut=0"})
    large = write_video(
        tmp_path / "large.h264", "libx264", num_frames=24, size=(96, 80), options={"x264-params": "scenecut=0"}
    )
    path = tmp_path / "video.mp4"
    with av.open(str(small)) as old, av.open(str(large)) as other, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        first = [packet for packet in old.demux(video=0) if packet.size]
        step = first[1].pts - first[0].pts
        following = []
        for place, packet in enumerate(packet for packet in other.demux(video=0) if packet.size):
            units = [unit for unit in re.split(b"\0?\0\0\1", bytes(packet)) if unit]
            following.append(av.Packet(b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)))
            following[-1].pts = following[-1].dts = (24 + place) * step
            following[-1].time_base, following[-1].is_keyframe = first[0].time_base, packet.is_keyframe
        for packet in first + following:
            packet.stream = stream
            new.mux(packet)
    with av.open(str(path)) as container:
        images = [frame.to_ndarray(format="rgb24", width=64, height=48) for frame in container.decode(video=0)]
    for wanted in ([0, 30], [30], [0], [47, 2]):
        with Video(path) as video:
            assert np.array_equal(video.frames(wanted), [images[index] for index in wanted])


@pytest.mark.parametrize("missing", [1, 4, 13])
def test_a_first_packet_that_is_no_key_frame_whatever_the_container_says(missing, tmp_path):
    """Cut out of another file by a tool that flags the first packet it keeps."""

    def lie(packets):
        kept = packets[missing:]
        kept[0].is_keyframe = True
        return kept

    source = write_video(tmp_path / "source.mp4", "libx264", b_frames=2)
    path = remux(source, tmp_path / "video.mp4", lie)
    images, _ = decode_plainly(path)
    with Video(path) as video:
        assert not video._stream.trusted
        assert video.num_frames == len(images)
        assert np.array_equal(video.frames(range(len(images))), np.stack(images))


@pytest.mark.parametrize(
    ("name", "codec"), [("video.mkv", "libx264"), ("video.ts", "libx264"), ("video.mp4", "mpeg4")], ids=str
)
def test_parsers_look_into_all_else(name, codec, tmp_path):
    path = write_video(tmp_path / name, codec)
    with Video(path) as video:
        assert not video._stream.trusted
        assert np.array_equal(video.frames(range(36)), np.stack(decode_plainly(path)[0]))
