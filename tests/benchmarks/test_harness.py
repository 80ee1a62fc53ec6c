"""The benchmarks' own parts: what is timed is the same work, and tables say what was measured."""

import av
import numpy as np
import pytest

from benchmarks.inputs import GeneratedSource, Source, generated
from benchmarks.peers.decoders import Floor, Rhovideo, _Packets, peers, rhovideo_anew
from benchmarks.table import FLOOR, OURS, Row, Table
from benchmarks.timing import interleaved
from rhovideo.demo.labelled_set import write_h264
from tests.videos import picture_frames


def test_candidates_take_turns_on_the_same_rounds():
    calls = []
    now = [0.0]

    def work(name, cost):
        def run(number):
            calls.append((name, number))
            now[0] += cost

        return run

    candidates = {"quick": work("quick", 0.1), "slow": work("slow", 10.0)}
    medians = interleaved(candidates, seconds=1.0, min_rounds=3, max_rounds=6, clock=lambda: now[0])
    assert medians == pytest.approx({"quick": 0.1, "slow": 10.0})
    # A round to warm up, then three for the slow one and as many as there may be for the quick one.
    assert [number for name, number in calls if name == "slow"] == [0, 0, 1, 2]
    assert [number for name, number in calls if name == "quick"] == [0, 0, 1, 2, 3, 4, 5]
    assert [name for name, number in calls[2:] if number == 1] == ["slow", "quick"]


def test_slow_candidates_end_early_and_what_ran_before_is_warm():
    calls, now = [], [0.0]

    def work(name):
        def run(number):
            calls.append((name, number))
            now[0] += 0.1

        return run

    candidates = {"quick": work("quick"), "slow": work("slow")}
    interleaved(candidates, seconds=0.75, min_rounds=6, slow=["slow"], warm=True, clock=lambda: now[0])
    assert [number for name, number in calls if name == "slow"] == [0, 1, 2]
    assert [number for name, number in calls if name == "quick"] == list(range(8))


def test_a_ratio_above_one_is_in_our_favour():
    rows = [Row("a", {OURS: 10.0, "peer": 25.0, FLOOR: 8.0}), Row("b", {OURS: 2000.0})]
    text = Table("decode", "ms", "How.", rows).markdown()
    assert "| work (ms) | rhovideo | peer | ratio to peer | floor | times the floor |" in text
    assert "| a | **10.0** | 25.0 | 2.50 | 8.0 | 1.25 |" in text
    assert "| b | **2,000.0** |  |  |  |  |" in text
    more = Table("loader", "samples/s", "How.", rows[:1], more_is_better=True).markdown()
    assert "| a | **10.0** | 25.0 | 0.40 | 8.0 | 0.80 |" in more


def test_inputs_are_written_once(tmp_path, monkeypatch):
    monkeypatch.setenv("RHOVIDEO_BENCH_CACHE", str(tmp_path))
    source = generated(1, (64, 48), 12)
    assert isinstance(source, GeneratedSource)
    assert not list(tmp_path.iterdir())
    with av.open(str(source.path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert len(packets) == 30
    assert [place for place, packet in enumerate(packets) if packet.is_keyframe] == [0, 12, 24]
    written = source.path.stat().st_mtime_ns
    assert generated(1, (64, 48), 12).path.stat().st_mtime_ns == written
    assert [path.name for path in tmp_path.iterdir()] == ["64x48_1s_gop12.mp4"]


@pytest.fixture
def source(tmp_path):
    write_h264(tmp_path / "video.mp4", picture_frames(60), 30)
    return Source("video", tmp_path / "video.mp4")


def test_the_floor_decodes_no_less_than_it_must(source):
    """Its packets alone give the wanted frames as they are."""
    indices = np.array([[3, 10, 17], [30, 37, 44]])
    floor = Floor(source)
    floor.prepare(indices)
    floor(indices)
    groups = _Packets(source.path).needed(indices)
    with av.open(str(source.path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        times = sorted(packet.pts for packet in packets)
        images = {}
        for positions in groups:
            frames = [frame for position in positions for frame in stream.codec_context.decode(packets[position])]
            for frame in [*frames, *stream.codec_context.decode(None)]:
                images[frame.pts] = frame.to_ndarray(format="rgb24")
            stream.codec_context.flush_buffers()
    assert sum(map(len, groups)) < len(packets)
    expected = rhovideo_anew(source.path, indices)
    found = [[images[times[index]] for index in clip] for clip in indices]
    assert np.array_equal(np.array(found), expected)


def test_peers_decode_the_same_frames(source):
    indices = np.array([[3, 11, 19], [30, 38, 46]])
    for name in ("PyAV, one pass", "PyTorchVideo"):
        assert np.array_equal(peers()[name](source.path, indices), rhovideo_anew(source.path, indices)), name


def test_memory_that_is_used_again_holds_the_frames_of_the_last_call(source, tmp_path):
    write_h264(tmp_path / "other.mp4", picture_frames(20, (32, 48)), 30)
    other, rhovideo = Source("other", tmp_path / "other.mp4"), Rhovideo()
    for video, indices in ((source, [[3, 11], [30, 38]]), (source, [[4, 4], [31, 39]]), (other, [[0, 1], [18, 19]])):
        found = rhovideo(video.path, np.array(indices))
        assert np.array_equal(found, rhovideo_anew(video.path, np.array(indices)))
