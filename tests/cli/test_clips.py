"""``rhovideo clips``: a sheet or a film of the clips that a configuration would train on."""

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from rhovideo.cli import main
from rhovideo.config import load_cfg
from rhovideo.data.loading.shown_clips import shown_clips
from tests.videos import write_video

KEYS = ["NUM_GPUS", "0", "DATA.NUM_FRAMES", "3", "DATA.SAMPLING_RATE", "2"]
KEYS += ["DATA.TRAIN_CROP_SIZE", "32", "RNG_SEED", "7"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    names = [write_video(folder / "class é" / f"{n}.mp4", num_frames=40, seed=n, fps=20) for n in range(3)]
    (folder / "train.csv").write_text("".join(f"{name}\n" for name in names))
    return folder


def clips(folder, out, *words):
    return main(["clips", "demo/simclr", "DATA.PATH_TO_DATA_DIR", str(folder), *KEYS, "--out", str(out), *words])


def is_on(sheet, frame):
    """Whether the sheet holds exactly this frame somewhere; OpenCV's search rounds, where frames are plain."""
    height, width = frame.shape[:2]
    starts = np.argwhere((sheet[: 1 - height, : 1 - width] == frame[0, 0]).all(-1))
    return any(np.array_equal(sheet[row : row + height, column : column + width], frame) for row, column in starts)


def test_the_sheet_shows_every_clip_with_file_and_times(folder, tmp_path, capsys):
    assert clips(folder, tmp_path / "sheet.png", "--videos", "2", "--epoch", "3") == 0
    sheet = cv2.cvtColor(cv2.imread(str(tmp_path / "sheet.png")), cv2.COLOR_BGR2RGB)
    cfg = load_cfg("demo/simclr", ["DATA.PATH_TO_DATA_DIR", folder, *KEYS])
    videos = shown_clips(cfg, 2, epoch=2).videos
    assert all(is_on(sheet, frame.repeat(3, 0).repeat(3, 1)) for v in videos for view in v.clips for frame in view)
    printed = capsys.readouterr().out
    for video in videos:
        (line,) = [line for line in printed.splitlines() if line.startswith(f"line {video.line}: class é/")]
        assert f"{video.seconds[0, 0]:.2f} - {video.seconds[0, 1]:.2f} s" in line


def test_a_seed_gives_other_clips(folder, tmp_path):
    pictures = []
    for seed in ("1", "2", "1"):
        assert clips(folder, tmp_path / "sheet.png", "--seed", seed) == 0
        pictures.append((tmp_path / "sheet.png").read_bytes())
    assert pictures[0] == pictures[2] != pictures[1]


@pytest.mark.parametrize("ending", ["mp4", "gif", "webp"])
def test_films_show_the_clips_side_by_side(folder, tmp_path, ending):
    out = tmp_path / f"film.{ending}"
    assert clips(folder, out, "--videos", "1") == 0
    if ending == "mp4":
        with av.open(str(out)) as film:
            assert sum(1 for _ in film.decode(video=0)) % 3 == 0
    else:
        with Image.open(out) as picture:
            assert picture.n_frames == 3
    assert out.stat().st_size > 500


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["clips", "--out", "a.png"], "one configuration"),
        (["clips", "demo/none", "--out", "a.png"], "demo/none"),
        (["clips", "demo/moco", "demo/byol", "--out", "a.png"], "one configuration"),
        (["clips", "demo/moco", "--out", "a.pdf"], ".png"),
        (["clips", "demo/moco", "--out", "a.png", "--videos", "0"], "--videos 0"),
        (["clips", "demo/moco", "DATA.PATH_TO_DATA_DIR", "/nowhere", "--out", "a.png"], "/nowhere"),
    ],
)
def test_wrong_words_are_named(words, part, capsys):
    assert main(words) == 2
    assert part in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(folder, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert clips(folder, tmp_path / "file" / "sheet.png", "--videos", "1") == 2
    assert str(tmp_path / "file") in capsys.readouterr().err
