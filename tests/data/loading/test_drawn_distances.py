"""The distances of the clips that a pre-training draws follow their exact law, at every frame rate."""

from __future__ import annotations

import numpy as np
import pytest

from rhovideo.cli import main
from rhovideo.config import load_cfg
from rhovideo.data.loading.datasets import SampleKey, build_dataset
from rhovideo.data.loading.drawn_distances import drawn_distances
from rhovideo.demo.synthetic_videos import write_synthetic
from rhovideo.errors import JobError

RATES = (24, 25, 30, 60)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A list of videos of two seconds at four frame rates, and one that is not there."""
    folder = tmp_path_factory.mktemp("mixed")
    lines = ["gone.mp4 0"]
    for fps in RATES:
        own = folder / f"fps{fps}"
        write_synthetic(own, num_classes=1, train_videos=2, val_videos=1, seconds=2, fps=fps, size=(32, 32))
        lines += [f"{own.name}/{line}" for line in (own / "train.csv").read_text().splitlines()]
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    return folder


def configured(folder, *keys):
    clip = {
        "DATA.NUM_FRAMES": 4,
        "DATA.SAMPLING_RATE": 4,
        "DATA.TRAIN_CROP_SIZE": 32,
        "DATA.TRAIN_CROP_NUM_TEMPORAL": 2,
    }
    values = {"TASK": "pretrain", "DATA.PATH_TO_DATA_DIR": str(folder), **clip}
    values |= dict(zip(keys[::2], keys[1::2], strict=True))
    return load_cfg(None, [word for pair in values.items() for word in pair])


@pytest.mark.parametrize("limits", [(0, 0.5), (0.2, 1.0), (0, float("inf"))], ids=str)
def test_drawn_distances_follow_the_law_at_every_rate(mixed, limits):
    low, high = limits
    keys = ["CONTRASTIVE.DELTA_SECONDS_MIN", low, "CONTRASTIVE.DELTA_SECONDS_MAX", high]
    found = drawn_distances(configured(mixed, *keys), epochs=400)
    assert sorted(rate.fps for rate in found.rates) == list(RATES)
    assert found.unreadable == 1
    for rate in found.rates:
        assert rate.videos == 2
        assert rate.law.sum() == pytest.approx(1)
        assert rate.drawn.sum() == pytest.approx(1)
        outside = (found.edges[1:] < low - 1e-9) | (found.edges[:-1] > high + 1e-9)
        assert rate.drawn[outside].sum() == 0
    assert found.farthest[0] < 4.5


def test_the_same_instant_is_no_distance(mixed):
    found = drawn_distances(configured(mixed, "CONTRASTIVE.DELTA_SECONDS_MAX", 0), epochs=2)
    assert len(found.edges) == 2
    assert all(rate.drawn.tolist() == rate.law.tolist() == [1.0] for rate in found.rates)
    found = drawn_distances(configured(mixed, "DATA.AUG_TEMPORAL", False), epochs=2)
    assert all(rate.drawn.tolist() == rate.law.tolist() == [1.0] for rate in found.rates)


def test_the_draws_are_those_of_the_training(mixed):
    """A single epoch's distances are those of the samples that the data set reads."""
    cfg = configured(mixed, "DATA.TRAIN_CROP_NUM_TEMPORAL", 3, "RNG_SEED", 5)
    found = drawn_distances(cfg, epochs=1)
    dataset = build_dataset(cfg, "train", "pretrain")
    fast = next(rate for rate in found.rates if rate.fps == 60)
    seconds = []
    for index in range(1, len(dataset.manifest)):
        sample = dataset.read(SampleKey(0, index))
        times, fps = dataset.times_of(SampleKey(0, index), sample)
        if round(float(fps)) == 60:
            seconds += (np.diff(np.sort(times[:, 0])) / float(fps)).tolist()
    counts = np.histogram(np.maximum(np.array(seconds) - 1e-6, 0), found.edges)[0]
    assert (fast.drawn * len(seconds)).tolist() == pytest.approx(counts.tolist())


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["DATA.TRAIN_CROP_NUM_TEMPORAL", 1], "write 2 or more"),
        (["DATA.TRAIN_JITTER_FPS_RELATIVE", 0.5], "write 0 for the exact law"),
        (["TASK", "linear"], "write a configuration of TASK pretrain"),
    ],
)
def test_what_has_no_law_is_refused(mixed, keys, message):
    with pytest.raises(JobError, match=message):
        drawn_distances(configured(mixed, *keys))


def test_the_command_writes_a_picture(mixed, tmp_path, capsys):
    out = tmp_path / "pictures/distances.png"
    words = [
        "pretrain/BYOL_SlowR50_8x8_paper",
        "DATA.PATH_TO_DATA_DIR",
        str(mixed),
        "CONTRASTIVE.DELTA_SECONDS_MAX",
        "1",
    ]
    assert main(["clips", *words, "--distances", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert out.read_bytes().startswith(b"\x89PNG")
    assert "60 frames/s: 2 videos" in said.out
    assert "1 videos" in said.err or "1 video" in said.err
    assert main(["clips", *words, "--distances", "--out", str(tmp_path / "a.mp4")]) == 2
    assert "a PNG" in capsys.readouterr().err
