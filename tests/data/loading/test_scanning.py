from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import pytest

from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.loading.scanning import check_video, scan
from rhovideo.data.video.picture.tone_mapping import HLG, PQ
from rhovideo.data.video.stream.decoding import StreamDecoder
from rhovideo.runs.official_counts import OfficialCount, add_official_counts, read_official_count
from tests.data.unusual_videos import write_damaged, write_declaring, write_packed
from tests.data.video.picture.test_tone_mapping import write_hdr
from tests.videos import write_broken_video, write_video


@pytest.fixture(scope="module")
def damaged_list(tmp_path_factory):
    """A list of six videos: broken, missing and cut-off ones among them."""
    folder = tmp_path_factory.mktemp("damaged")
    for number in range(3):
        write_video(folder / f"good {number}.mp4", num_frames=10, seed=number)
    write_broken_video(folder / "broken.mp4")
    # The list of frames stands first in this file, so it opens and only its last frames are missing.
    cut = write_video(folder / "cut.mp4", num_frames=90, container_options={"movflags": "+faststart"})
    cut.write_bytes(cut.read_bytes()[:-1000])
    names = ["good 0.mp4", "broken.mp4", "good 1.mp4", "missing.mp4", "cut.mp4", "good 2.mp4"]
    (folder / "all.csv").write_bytes(
        b"\xef\xbb\xbf\r\n" + "".join(f"{n} {k}\r\n" for k, n in enumerate(names)).encode()
    )
    return folder


def test_scan_lists_the_broken_and_writes_a_clean_list(damaged_list, tmp_path):
    report = scan(damaged_list / "all.csv", workers=2, cache_dir=tmp_path)
    names = [os.path.basename(video.path) for video in report.broken]
    assert names == ["broken.mp4", "missing.mp4", "cut.mp4"]
    assert [video.line for video in report.broken] == [3, 5, 6]
    assert all(video.reason for video in report.broken)
    assert report.total == 6
    assert report.broken_file == damaged_list / "all.broken.jsonl"
    listed = [json.loads(line) for line in report.broken_file.read_text().splitlines()]
    assert listed == [{"path": v.path, "line": v.line, "reason": v.reason} for v in report.broken]
    clean = Manifest.open(report.clean_csv, cache_dir=tmp_path)
    assert [os.path.basename(clean.path(i)) for i in range(len(clean))] == ["good 0.mp4", "good 1.mp4", "good 2.mp4"]
    assert clean.labels.tolist() == [0, 2, 5]
    assert "3 of 6" in str(report)
    assert f"to use it: mv {report.clean_csv} {damaged_list / 'all.csv'}" in str(report)


def test_the_clean_list_keeps_the_count_of_the_official_videos(damaged_list, tmp_path):
    csv = damaged_list / "official.csv"
    csv.write_bytes((damaged_list / "all.csv").read_bytes())
    add_official_counts({csv: OfficialCount("UCF101", "test of split 1", 6, 9)})
    report = scan(csv, workers=2, cache_dir=tmp_path)
    report.clean_csv.replace(csv)
    assert read_official_count(csv) == OfficialCount("UCF101", "test of split 1", 3, 9)


def test_scan_of_a_clean_list(damaged_list, tmp_path):
    (damaged_list / "good.csv").write_text("good 0.mp4\n")
    report = scan(damaged_list / "good.csv", cache_dir=tmp_path)
    assert report.broken == []
    assert report.broken_file.read_text() == ""
    assert report.clean_csv.read_text() == "good 0.mp4\n"


def test_short_and_hdr_videos_are_counted(tmp_path):
    write_video(tmp_path / "long.mp4", num_frames=75, fps=15)
    write_video(tmp_path / "short.mp4", num_frames=30, fps=15)
    write_hdr(tmp_path / "pq.mp4", PQ, frames=150)
    write_hdr(tmp_path / "hlg.mp4", HLG, frames=90)
    write_broken_video(tmp_path / "broken.mp4")
    names = ("long", "short", "pq", "hlg", "broken")
    (tmp_path / "all.csv").write_text("".join(f"{name}.mp4\n" for name in names))
    said = str(scan(tmp_path / "all.csv", cache_dir=tmp_path)).splitlines()
    assert said[0].startswith("length: 2 to 5 s, half of them over 4 s; 2 of 4 are shorter than 4.27 s")
    assert said[1].startswith("HDR: 2 of 4 videos (HLG 1, PQ 1)")
    assert said[2].startswith("1 of 5 videos are broken")


def test_good_video_has_nothing_wrong(damaged_list):
    assert check_video(str(damaged_list / "good 0.mp4")) is None


def test_damage_near_the_end_is_found(tmp_path):
    path = write_video(tmp_path / "a.mp4", num_frames=60, options={"g": "10"})
    with av.open(str(path)) as container:
        last = [packet for packet in container.demux(video=0) if packet.size][-4]
        place, size = last.pos, last.size
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff" * size)
    assert check_video(str(path))


@pytest.mark.parametrize("gop", [2, 500])
def test_a_scan_decodes_each_picture_once(gop, tmp_path, monkeypatch):
    """Whatever its size and its groups of pictures: blocks of frames would begin at the same key frame again."""
    path = write_video(tmp_path / "a.mp4", num_frames=40, options={"g": str(gop)})
    packets = []
    stretches = StreamDecoder._stretches

    def counted(self, ranges):
        packets.append(sum(end - first for first, end in ranges))
        return stretches(self, ranges)

    monkeypatch.setattr(StreamDecoder, "_stretches", counted)
    assert check_video(str(path)) is None
    assert sum(packets) == 40


def test_a_damaged_picture_is_broken_though_the_decoder_shows_one(tmp_path):
    write_damaged(tmp_path / "damaged.mp4")
    assert "is damaged" in check_video(str(tmp_path / "damaged.mp4"))


def test_what_costs_no_picture_is_a_note(tmp_path):
    """DivX files with packed B-frames, as in UCF101 and HMDB51."""
    write_packed(tmp_path / "packed.avi")
    (tmp_path / "all.csv").write_text("packed.avi 3\n")
    report = scan(tmp_path / "all.csv", workers=1, cache_dir=tmp_path)
    assert report.broken == []
    assert report.clean_csv.read_text() == "packed.avi 3\n"
    assert report.notes == {"its times contradict the order in which its frames are shown": 1}
    assert "note, of 1 of 1 videos: its times contradict" in str(report)


def test_pictures_of_a_gigabyte_are_named_and_not_decoded(tmp_path):
    write_declaring(tmp_path / "large.avi", 16000, 16000)
    assert "declares pictures of 16000x16000 pixels" in check_video(str(tmp_path / "large.avi"))


def test_scan_goes_on_when_a_worker_dies(tmp_path):
    names = ["0.mp4", "deadly.mp4", "2.mp4", "3.mp4"]
    for name in names:
        write_video(tmp_path / name, num_frames=4)
    # Long enough to be found under decoding.
    write_video(tmp_path / "deadly.mp4", num_frames=4000, options={"preset": "ultrafast"})
    (tmp_path / "all.csv").write_text("".join(f"{name}\n" for name in names))
    killer = threading.Thread(target=_kill_reader_of, args=(str(tmp_path / "deadly.mp4"),))
    killer.start()
    report = scan(tmp_path / "all.csv", workers=1, cache_dir=tmp_path)
    killer.join()
    assert report.total == 4
    assert [(os.path.basename(video.path), video.line) for video in report.broken] == [("deadly.mp4", 2)]
    assert "died (killed (signal 9)" in report.broken[0].reason
    assert report.clean_csv.read_text().split() == ["0.mp4", "2.mp4", "3.mp4"]


def test_a_process_that_cannot_start_breaks_no_video(tmp_path):
    write_video(tmp_path / "good.mp4", num_frames=4)
    (tmp_path / "all.csv").write_text("good.mp4\n")
    # A file without the guard that processes need: each process runs it anew, and ends.
    (tmp_path / "unguarded.py").write_text("from rhovideo.cli import main\n\nraise SystemExit(main())\n")
    command = [sys.executable, tmp_path / "unguarded.py", "scan", tmp_path / "all.csv", "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "so no video was looked at" in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]
    assert "broken" not in done.stdout
    assert not (tmp_path / "all.clean.csv").exists()


def _kill_reader_of(path: str) -> None:
    """Kill the child process that has ``path`` open, as the kernel does when memory runs out."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in multiprocessing.active_children():
            with contextlib.suppress(OSError):
                if path in {os.readlink(link) for link in Path(f"/proc/{child.pid}/fd").iterdir()}:
                    os.kill(child.pid, signal.SIGKILL)
                    return
        time.sleep(0.01)


def test_a_list_of_broken_videos_alone_is_not_to_be_replaced_by_an_empty_one(tmp_path):
    write_broken_video(tmp_path / "broken.mp4")
    (tmp_path / "all.csv").write_text("broken.mp4 0\nmissing.mp4 0\n")
    said = str(scan(tmp_path / "all.csv", workers=1, cache_dir=tmp_path))
    assert "all 2 videos are broken" in said
    assert "mv " not in said
