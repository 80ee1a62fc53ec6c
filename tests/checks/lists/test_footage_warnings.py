"""A list whose videos do not go with the clips is warned of once, with the share of such videos."""

import pytest

from rhovideo.checks.lists import footage_warnings
from rhovideo.checks.lists.job_lists import ListCheck
from rhovideo.config.files.reading import load_cfg
from rhovideo.data.video.picture.tone_mapping import HLG, PQ
from tests.data.video.picture.test_tone_mapping import write_hdr
from tests.videos import write_broken_video, write_video


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Videos of 1 s, 3 s and 10 s, one of 20 s with a frame a second, two HDR ones of 3 s, and a broken file."""
    folder = tmp_path_factory.mktemp("footage")
    for name, frames, fps in (("one", 15, 15), ("three", 45, 15), ("ten", 150, 15), ("lapse", 20, 1)):
        write_video(folder / f"{name}.mp4", num_frames=frames, fps=fps)
    write_hdr(folder / "pq.mp4", PQ, frames=90)
    write_hdr(folder / "hlg.mp4", HLG, frames=90)
    write_broken_video(folder / "broken.mp4")
    return folder


def warnings(files, tmp_path, names, *keys, recipe="demo/moco"):
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.csv").write_text("".join(f"{files}/{name}.mp4\n" for name in names))
    words = ["DATA.PATH_TO_DATA_DIR", tmp_path, "TRAIN.BATCH_SIZE", 4, "CONTRASTIVE.QUEUE_LEN", 4]
    clip = ["DATA.NUM_FRAMES", 8, "DATA.SAMPLING_RATE", 8, "DATA.TARGET_FPS", 30, "DATA.TRAIN_CROP_NUM_TEMPORAL", 2]
    found = ListCheck()(load_cfg(recipe, [*words, *clip, *keys]))
    mine = ("DATA.SAMPLING_RATE", "DATA.TONE_MAP")
    return [finding for finding in found if finding.keys[0] in mine and finding.severity == "warning"]


def test_videos_that_suit_the_clips_are_passed_over(files, tmp_path):
    assert warnings(files, tmp_path, ["ten"] * 12 + ["one"]) == []


def test_short_videos_are_counted_with_a_rate_that_fits(files, tmp_path):
    (short,) = warnings(files, tmp_path, ["ten"] * 4 + ["three"] * 3 + ["one"])
    assert "4 of 8 videos are shorter than 2 clips of 2.13 s (T 8, τ 8)" in short.wrong
    assert "in 1 of them, of 2.13 s or less, all clips are the same frames" in short.wrong
    rate = int(short.write.split()[1].rstrip(","))
    (still,) = warnings(files, tmp_path, ["one"] * 8)
    assert warnings(files, tmp_path, ["ten"] * 4 + ["three"] * 4, "DATA.SAMPLING_RATE", rate) == []
    assert "in 8 of them" in still.wrong


@pytest.mark.parametrize("keys", [["DATA.TRAIN_CROP_NUM_TEMPORAL", 1], ["DATA.AUG_TEMPORAL", False]])
def test_clips_that_do_not_need_the_time_are_not_spoken_of(files, tmp_path, keys):
    assert warnings(files, tmp_path, ["one"] * 8, *keys) == []


def test_a_low_frame_rate_is_named_with_a_rate_that_fits(files, tmp_path):
    (slow,) = warnings(files, tmp_path, ["ten"] * 6 + ["lapse"] * 2)
    assert "2 of 8 videos have so few frames a second (the fewest: 1) that a clip of 2.13 s shows 2" in slow.wrong
    assert slow.write.startswith("DATA.SAMPLING_RATE 30")


def test_hdr_is_counted_once_and_what_is_done_with_it(files, tmp_path):
    names = ["pq", "pq", "hlg", *["ten"] * 5]
    # pq and hlg are of 3 s; the clips are to fit.
    (hdr,) = warnings(files, tmp_path, names, "DATA.SAMPLING_RATE", 4)
    assert "train.csv: 3 of 8 videos are HDR (PQ 2, HLG 1), and are turned into SDR" in hdr.wrong
    (off,) = warnings(files, tmp_path, names, "DATA.SAMPLING_RATE", 4, "DATA.TONE_MAP", False)
    assert "grey and washed out" in off.wrong
    assert off.write == "True"


def test_broken_files_are_not_judged(files, tmp_path):
    assert warnings(files, tmp_path, ["broken"] * 8) == []


def test_of_a_long_list_some_videos_are_looked_at_and_it_is_said(files, tmp_path):
    names = ["ten"] * 300 + ["one"] * 300
    (short,) = warnings(files, tmp_path, names)
    # Half of them, wherever they are in the list.
    assert "24 of the 48 videos that were looked at are shorter" in short.wrong


def test_a_slow_file_system_does_not_keep_the_person_waiting(files, tmp_path, monkeypatch):
    monkeypatch.setattr(footage_warnings, "_SECONDS", 0.0)
    assert warnings(files, tmp_path, ["one"] * 9) == []
