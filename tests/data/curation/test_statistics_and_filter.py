"""`rhovideo data stats` and `data filter` on real files, whose durations are known."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from rhovideo.cli import main
from rhovideo.data.curation import looking
from rhovideo.data.curation.source_list import ListFormat
from rhovideo.data.curation.statistics import list_statistics
from rhovideo.data.lists.manifest import Manifest
from rhovideo.runs.official_counts import OfficialCount, add_official_counts, read_official_count
from tests.configured_runs import ROOT
from tests.data.curation.lists import SECONDS, VIDEOS, write_list, write_videos
from tests.videos import write_video

ALL = [*VIDEOS, "broken.mp4", "gone.mp4"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return write_videos(tmp_path_factory.mktemp("videos"))


@pytest.fixture
def mine(videos, tmp_path):
    """A list of all videos in another folder than they are in, with labels."""
    return write_list(tmp_path / "mine/train.csv", [f"{videos}/{name}" for name in ALL], [0, 1] * 4)


def names(csv: Path, root: Path, cache: Path, separator: str = " ") -> list[str]:
    manifest = Manifest.open(csv, separator=separator, cache_dir=cache)
    return [os.path.relpath(manifest.path(row), root) for row in range(len(manifest))]


def test_statistics_are_those_of_the_files(videos, mine, tmp_path, capsys):
    picture, numbers = tmp_path / "durations.png", tmp_path / "stats.json"
    words = ["data", "stats", str(mine), "--json", str(numbers), "--histogram", str(picture), "--workers", "2"]
    assert main(words) == 0
    (found,) = json.loads(numbers.read_text())
    durations = np.array(list(SECONDS.values()))
    assert (found["videos"], found["missing"], found["unreadable"]) == (8, 1, 1)
    expected = {"count": 6, "mean": durations.mean(), "std": durations.std(), "min": 1.0, "max": 3.0}
    assert {key: found["durations"][key] for key in expected} == pytest.approx(expected, abs=0.05)
    assert found["frame_rates"] == {"30": 3, "12": 1, "25": 1, "60": 1}
    assert found["sizes"] == {"64x48": 3, "128x96": 1, "48x64": 1, "96x80": 1}
    assert found["codecs"] == {"h264": 6}
    assert found["labels"] == {"0": 4, "1": 4}
    assert found["bytes"] == sum((videos / name).stat().st_size for name in [*VIDEOS, "broken.mp4"])
    told = capsys.readouterr().out
    assert "videos       8, 1 not there, 1 cannot be opened" in told
    assert f"duration     {durations.mean():.1f} ± {durations.std():.1f} s, 1 to 3 s" in told
    with av.open(str(picture)) as file:
        assert file.streams.video[0].codec_context.width > 600


def test_what_was_seen_is_not_read_again_until_the_file_changes(videos, tmp_path, monkeypatch):
    folder = tmp_path / "own"
    paths = [write_video(folder / f"{k}.mp4", num_frames=30 + 30 * k) for k in range(3)]
    csv = write_list(folder / "train.csv", [path.name for path in paths])
    first = list_statistics(csv, workers=1)
    kept = (folder / "train.footage.jsonl").read_bytes()
    assert kept.count(b"\n") == 3
    with monkeypatch.context() as patch:
        patch.setattr(looking, "look_at_all", lambda _, rows, *__: iter([None] * len(list(rows))))
        assert list_statistics(csv).as_json() == first.as_json()
    write_video(paths[1], num_frames=180)
    again = list_statistics(csv, workers=1)
    assert again.seconds.tolist() == pytest.approx([1, 6, 3], abs=0.05)
    # A line that was cut off, or is of another program, is passed over.
    (folder / "train.footage.jsonl").write_bytes(kept[:-20] + b"\n[1]\nnot json\n")
    assert list_statistics(csv, workers=1).seconds.tolist() == pytest.approx([1, 6, 3], abs=0.05)


def test_an_interrupted_look_goes_on(tmp_path):
    # Each look takes a while in a process that sleeps first; the command gets Ctrl-C in the middle.
    paths = [write_video(tmp_path / f"{k}.mp4", num_frames=8) for k in range(40)]
    csv = write_list(tmp_path / "train.csv", [path.name for path in paths])
    code = (
        "import sys; from rhovideo.data.curation import looking; looking._AT_A_TIME = 2; "
        "from rhovideo.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    kept = tmp_path / "train.footage.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "data", "stats", str(csv), "--workers", "1"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 120
    while not kept.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    if process.returncode == 130:
        assert "the same command goes on" in told
    seen = kept.read_text().splitlines()
    assert 1 <= len(seen) <= 40
    found = list_statistics(csv, workers=1)
    assert (found.videos, found.durations.count) == (40, 40)
    assert len(kept.read_text().splitlines()) == 40


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--min-seconds", "1.99"], set(VIDEOS) - {"plain.mp4"}),
        (["--max-seconds", "1.5"], {"plain.mp4"}),
        (["--min-seconds", "1.5", "--max-seconds", "2.5", "--min-side", "60"], {"ünï cödé.mkv", "sub folder/deep.mp4"}),
        (["--max-side", "48", "--min-fps", "20"], {"plain.mp4", "with blanks in it.mp4", "quote' and \".mp4"}),
        (["--readable"], set(VIDEOS)),
    ],
)
@pytest.mark.parametrize("separator", [" ", ","])
def test_filter_keeps_rows_names_and_labels(videos, tmp_path, words, kept, separator, capsys):
    csv = write_list(tmp_path / "train.csv", [f"{videos}/{name}" for name in ALL], list(range(8)), separator)
    out = tmp_path / "out/train.csv"
    before = csv.read_bytes()
    command = ["data", "filter", str(csv), *words, "--out", str(out), "--separator", separator, "--workers", "1"]
    assert main(command) == 0
    assert names(out, videos, tmp_path / "cache", separator) == [name for name in ALL if name in kept]
    assert Manifest.open(out, separator=separator, cache_dir=tmp_path / "cache").labels.tolist() == [
        place for place, name in enumerate(ALL) if name in kept
    ]
    assert csv.read_bytes() == before
    assert f"{len(kept)} of 8 videos; left out: " in capsys.readouterr().out
    assert main(command) == 2
    assert "exists already: write another --out, or --force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0


def test_filter_without_labels_moves_relative_paths_to_another_folder(videos, tmp_path):
    csv = write_list(videos / "plain_list.csv", ALL)
    out = tmp_path / "with blanks/out.csv"
    assert main(["data", "filter", str(csv), "--readable", "--out", str(out), "--workers", "1"]) == 0
    assert names(out, videos, tmp_path / "cache") == list(VIDEOS)
    inside = videos / "sub folder/inner.csv"
    assert main(["data", "filter", str(csv), "--readable", "--out", str(inside), "--workers", "1"]) == 0
    assert names(inside, videos, tmp_path / "cache") == list(VIDEOS)
    assert "deep.mp4" in inside.read_text().splitlines()
    # With a prefix, paths stay as they are.
    listed = write_list(tmp_path / "listed.csv", ALL)
    words = ["data", "filter", str(listed), "--readable", "--prefix", str(videos), "--out", str(tmp_path / "sub/o.csv")]
    assert main([*words, "--workers", "1"]) == 0
    assert (tmp_path / "sub/o.csv").read_text(encoding="utf-8").splitlines() == list(VIDEOS)


def test_filter_leaves_out_what_a_scan_found_broken_and_passes_the_official_count_on(mine, videos, tmp_path):
    add_official_counts({mine: OfficialCount("UCF101", "test of split 1", 8, 9)})
    broken = tmp_path / "train.broken.jsonl"
    broken.write_text(json.dumps({"path": f"{videos}/plain.mp4", "line": 1, "reason": "x"}) + "\n")
    out = tmp_path / "out.csv"
    assert main(["data", "filter", str(mine), "--broken", str(broken), "--out", str(out)]) == 0
    assert names(out, videos, tmp_path / "cache") == ALL[1:]
    assert read_official_count(out) == OfficialCount("UCF101", "test of split 1", 7, 9)
    broken.write_text("[]\n")
    assert main(["data", "filter", str(mine), "--broken", str(broken), "--out", str(out), "--force"]) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "nothing is asked of the videos"),
        (["--min-seconds", "9"], "is left ("),
        (["--min-seconds", "3", "--max-seconds", "2"], "--min-seconds 3 is more than --max-seconds 2"),
        (["--readable", "--out", "mine/train.csv"], "is the list that is read"),
        (["--readable", "--out", "link.csv", "--force"], "is the list that is read"),
        (["--readable", "--out", "mine"], "is a folder"),
    ],
)
def test_filter_refuses_what_cannot_be_meant(mine, tmp_path, monkeypatch, words, told, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.csv").symlink_to(mine)
    before = mine.read_bytes()
    out = [] if "--out" in words else ["--out", "new.csv"]
    assert main(["data", "filter", str(mine), *out, *words, "--workers", "1"]) == 2
    assert told in capsys.readouterr().err
    assert mine.read_bytes() == before
    assert not (tmp_path / "new.csv").exists()


def test_lists_that_cannot_be_used_are_named(tmp_path, capsys):
    assert main(["data", "stats", str(tmp_path)]) == 2
    assert f"{tmp_path} is a folder: write one of its lists" in capsys.readouterr().err
    assert main(["data", "stats", str(tmp_path / "none.csv")]) == 2
    assert "there is no such list" in capsys.readouterr().err
    (tmp_path / "frames.csv").write_text('original_vido_id video_id frame_id path labels\na 0 0 a/1.jpg ""\n')
    assert main(["data", "stats", str(tmp_path / "frames.csv")]) == 2
    assert "lists frames, not videos" in capsys.readouterr().err


def test_lists_with_several_labels_a_video_are_read_and_keep_them(videos, tmp_path):
    line = f'{videos}/plain.mp4 "3,9"'
    csv = write_list(tmp_path / "several.csv", [line])
    assert list_statistics(csv, ListFormat(), workers=1).durations.count == 1
    assert main(["scan", str(csv), "--workers", "1"]) == 0
    assert main(["data", "filter", str(csv), "--out", str(tmp_path / "new.csv"), "--max-seconds", "600"]) == 0
    assert (tmp_path / "new.csv").read_text().strip() == line


def test_a_list_where_nothing_may_be_written_is_read_all_the_same(videos, tmp_path, monkeypatch, capsys):
    csv = write_list(tmp_path / "train.csv", [f"{videos}/plain.mp4"])
    (tmp_path / "train.footage.jsonl").mkdir()
    assert list_statistics(csv, ListFormat(), workers=1).durations.count == 1
    assert "what was seen of the videos is not kept" in capsys.readouterr().err
