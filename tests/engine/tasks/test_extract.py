"""``rhovideo extract``: the right numbers, in spite of kills, broken videos and other numbers of processes."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from rhovideo.cli import main
from rhovideo.config import load_cfg
from rhovideo.config.keys import set_value
from rhovideo.config.list_names import label_files
from rhovideo.data.loading.datasets import SampleKey, build_dataset
from rhovideo.engine.device_inputs import to_network_input
from rhovideo.engine.evaluation.feature_file import FeatureFile
from rhovideo.engine.tasks.extract import _identity
from rhovideo.errors import JobError
from rhovideo.zoo import load_pretrained

ROOT = Path(__file__).parents[3]
BYOL = str(ROOT / "tests/reference/byol_tiny_epoch_00200.pyth")
CPU = ["NUM_GPUS", "0", "DATA_LOADER.NUM_WORKERS", "0"]


def extract(data, out, *words) -> int:
    return main([str(word) for word in ("extract", BYOL, "--data", data, "--out", out, *CPU, *words)])


def manifest(out: Path) -> list[dict]:
    with (out / "manifest.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def repeated_list(synthetic_set, tmp_path_factory) -> Path:
    """A list of 160 rows, a broken video among them, so that an extraction takes a while."""
    folder = tmp_path_factory.mktemp("repeated")
    broken = folder / "broken.mp4"
    broken.write_bytes(b"no video" * 100)
    videos = [line.split()[0] for line in (synthetic_set / "test.csv").read_text().splitlines()]
    rows = [f"{synthetic_set / videos[row % len(videos)]} {row % 3}" for row in range(160)]
    rows[123] = f"{broken} 2"
    (folder / "all.csv").write_text("\n".join(rows) + "\n")
    return folder / "all.csv"


@pytest.fixture(scope="module")
def whole(repeated_list, tmp_path_factory) -> Path:
    """The features of that list, made in one go."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert extract(repeated_list, out, "--clips", 1) == 0
    return out


def test_rows_are_the_pooled_features_of_their_videos(synthetic_set, tmp_path, capsys):
    out = tmp_path / "out"
    assert extract(synthetic_set, out, "--clips", 2, "--encoder", "momentum") == 0
    assert "features.npy: float16 [30, 128]" in capsys.readouterr().out
    found, rows = np.load(out / "features.npy", mmap_mode="r"), manifest(out)
    classes = (out / "list/classes.txt").read_text().split()
    assert all(classes[int(row["label"])] == Path(row["path"]).parent.name == row["class"] for row in rows)
    cfg = load_cfg(out / "extract.yaml")
    dataset = build_dataset(cfg, "test", "knn")
    encoder = load_pretrained(BYOL, cfg, encoder="momentum")
    for place in (0, 17, 29):
        clips = dataset[SampleKey(0, place)].clips
        assert len(clips) == 2
        with torch.no_grad():
            expected = encoder(to_network_input(clips, cfg, torch.device("cpu"))).mean(0).numpy()
        assert rows[place]["path"] == dataset.manifest.path(place)
        np.testing.assert_allclose(found[place], expected, rtol=2e-3, atol=1e-3)


def test_broken_video_is_a_row_of_zeros(whole):
    found, rows = np.load(whole / "features.npy"), manifest(whole)
    assert [row["row"] for row in rows if row["ok"] == "0"] == ["123"]
    assert not found[123].any()
    assert np.abs(found).sum(1).nonzero()[0].tolist() == [row for row in range(160) if row != 123]
    assert "broken.mp4" in (whole / "bad_videos.jsonl").read_text()


def test_killed_and_continued_by_more_processes_gives_the_same_bytes(repeated_list, whole, tmp_path):
    out = tmp_path / "out"
    words = ["extract", BYOL, "--data", repeated_list, "--out", out, "--clips", "1", *CPU]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "rhovideo.cli", *map(str, words)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size for path in (out / ".progress").glob("*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "features.npy").exists()
    assert not (out / "manifest.csv").exists()
    done = sum(path.read_text().count("\n") for path in (out / ".progress").glob("*"))
    assert 0 < done < 10

    assert extract(repeated_list, out, "--clips", 1, "NUM_CPU_PROCESSES", 2) == 0
    assert f"{done} of 10 blocks of features are there already" in (out / "stdout.log").read_text()
    for name in ("features.npy", "manifest.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_same_words_again_do_nothing_and_others_are_refused(synthetic_set, tmp_path, capsys):
    lists, out = tmp_path / "lists", tmp_path / "out"
    shutil.copytree(synthetic_set, lists)
    listed = lists / "unlabelled.csv"
    listed.write_text("".join(f"{line.split()[0]}\n" for line in (lists / "test.csv").read_text().splitlines()))
    assert extract(listed, out, "--clips", 1) == 0
    before = (out / "features.npy").stat().st_mtime_ns
    capsys.readouterr()
    assert extract(listed, out, "--clips", 1) == 0
    assert "float16 [6, 128]" in capsys.readouterr().out
    assert (out / "features.npy").stat().st_mtime_ns == before
    assert {row["label"] for row in manifest(out)} == {""}
    whole = (out / "features.npy").read_bytes()
    (out / "features.npy").write_bytes(whole[:-100])
    assert extract(listed, out, "--clips", 1) == 1
    assert "has been cut off since it was written" in capsys.readouterr().err
    (out / "features.npy").write_bytes(whole)
    assert extract(listed, out, "--clips", 3) == 1
    assert "holds another run, where KNN.NUM_CLIPS was 1 and is 3 now" in capsys.readouterr().err
    listed.write_text("".join(reversed(listed.read_text().splitlines(keepends=True))))
    assert extract(listed, out, "--clips", 1) == 1
    assert "began with other videos, or in another order (6 rows with sha256 " in capsys.readouterr().err
    # Its configuration starts it too, wherever its features went.
    (out / "features.npy").unlink()
    assert main(["run", "--cfg", str(out / "extract.yaml")]) == 0
    assert np.load(out / "features.npy").any(1).all()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DATA.REVERSE_INPUT_CHANNEL", True),
        ("DATA.TRAIN_JITTER_SCALES_RELATIVE", [0.2, 0.766]),
        ("RESNET.SPATIAL_STRIDES", [[1], [2], [2], [1]]),
        ("SLOWFAST.ALPHA", 4),
        ("KNN.NUM_CLIPS", 3),
    ],
)
def test_features_of_other_settings_are_of_something_else(key, value, tmp_path, synthetic_set):
    videos = synthetic_set / "test.csv"
    cfg = load_cfg(None, ["TASK", "extract"])
    other = cfg.clone()
    other.defrost()
    set_value(other, key, value)
    file = FeatureFile(tmp_path, 6, 128)
    file.prepare(_identity(cfg, Path(BYOL), videos, file))
    machine = cfg.clone()
    machine.defrost()
    machine.NUM_CPU_PROCESSES, machine.TEST.BATCH_SIZE, machine.OUTPUT_DIR = 4, 2, "elsewhere"
    file.prepare(_identity(machine, Path(BYOL), videos, file))
    with pytest.raises(JobError, match=rf"of other settings or files \(.*{key}"):
        file.prepare(_identity(other, Path(BYOL), videos, file))


def test_labels_of_frame_lists_are_part_of_what_was_extracted(tmp_path):
    for name in ("test.csv", *label_files("test")):
        (tmp_path / name).write_text("[]")
    cfg = load_cfg(None, ["TASK", "extract", "TRAIN.DATASET", "ssv2", "DATA.PATH_TO_DATA_DIR", str(tmp_path)])
    file = FeatureFile(tmp_path, 6, 128)
    file.prepare(_identity(cfg, Path(BYOL), tmp_path / "test.csv", file))
    (tmp_path / label_files("test")[0]).write_text("[1]")
    with pytest.raises(JobError, match=r"validation\.json sha256"):
        file.prepare(_identity(cfg, Path(BYOL), tmp_path / "test.csv", file))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("none", "there is no such folder or list"),
        ("empty", "no video below"),
        ("lists", "it holds lists: write"),
        ("frames.csv", "is a list of images"),
        ("words.csv", "line 1"),
    ],
)
def test_data_that_are_no_videos(data, said, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/train.csv").write_text("a.mp4 0\n")
    (tmp_path / "frames.csv").write_text('original_vido_id video_id frame_id path labels\n1 0 0 1/1_000001.jpg ""\n')
    (tmp_path / "words.csv").write_text("some words here\n")
    assert extract(tmp_path / data, tmp_path / "out") == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_names_of_classes_next_to_a_list_are_in_the_manifest(synthetic_set, tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    rows = (synthetic_set / "test.csv").read_text().splitlines()[:2]
    (lists / "some.csv").write_text("".join(f"{synthetic_set}/{row}\n" for row in rows))
    (lists / "classes.txt").write_text("first\nsecond\n")
    assert extract(lists / "some.csv", tmp_path / "out", "--clips", 1) == 0
    names = {"0": "first", "1": "second", "2": ""}
    assert [row["class"] for row in manifest(tmp_path / "out")] == [names[row.rsplit(" ", 1)[1]] for row in rows]
    (lists / "classes.txt").unlink()
    assert extract(lists / "some.csv", tmp_path / "without", "--clips", 1) == 0
    assert "class" not in manifest(tmp_path / "without")[0]


@pytest.fixture
def extracted(synthetic_set, tmp_path) -> Path:
    """A folder of features of a copy of six videos, by a copy of the checkpoint."""
    shutil.copytree(synthetic_set, tmp_path / "lists")
    shutil.copy(BYOL, tmp_path / "c.pyth")
    assert again(tmp_path) == 0
    return tmp_path / "out"


def again(folder: Path, *words) -> int:
    command = ["extract", folder / "c.pyth", "--data", folder / "lists/test.csv", "--out", folder / "out"]
    return main([str(word) for word in (*command, "--clips", 1, *CPU, *words)])


def state(out: Path) -> dict[str, tuple[int, bytes]]:
    """Its files, without the log: that of the last job in this process is still open."""
    files = [path for path in out.iterdir() if path.is_file() and path.name != "stdout.log"]
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_the_hashes_of_list_and_checkpoint_are_printed_and_recorded(extracted, tmp_path, capsys):
    capsys.readouterr()
    assert again(tmp_path) == 0
    listed, checkpoint = (
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "lists/test.csv", tmp_path / "c.pyth")
    )
    shown = capsys.readouterr().out
    assert f"made of the list with sha256 {listed[:12]} by the checkpoint with sha256 {checkpoint[:12]};" in shown
    identity = json.loads((extracted / "extract.json").read_text())
    assert (identity["videos_sha256"], identity["checkpoint_sha256"]) == (listed, checkpoint)


def test_run_on_a_finished_extraction_rewrites_nothing(extracted, tmp_path, capsys):
    before = state(extracted)
    config = ["run", "--cfg", str(extracted / "extract.yaml")]
    assert main(config) == 0
    assert f"{extracted} is finished with these settings, and stays as it is" in capsys.readouterr().err
    assert main([*config, "KNN.NUM_CLIPS", "2"]) == 2
    assert "KNN.NUM_CLIPS was 1 and is 2 now" in capsys.readouterr().err
    shutil.copy(ROOT / "tests/reference/moco_tiny_epoch_00200.pyth", tmp_path / "c.pyth")
    for start in (lambda: main(config), lambda: again(tmp_path)):
        assert start() != 0
        assert f"the checkpoint {tmp_path}/c.pyth has another content" in capsys.readouterr().err
    shutil.copy(BYOL, tmp_path / "c.pyth")
    assert state(extracted) == before
    os.truncate(extracted / "features.npy", 5000)
    assert main(config) == 1
    assert "has been cut off since it was written" in capsys.readouterr().err


def test_features_of_replaced_videos_are_refused_and_never_mixed(extracted, tmp_path, capsys):
    name = (tmp_path / "lists/test.csv").read_text().split()[0]
    with (tmp_path / "lists" / name).open("ab") as video:
        video.write(bytes(10))
    assert again(tmp_path) == 1
    said = "1 of the 6 videos of the test list has another size than when it was measured on: "
    assert said in capsys.readouterr().err
    # As an extraction that was stopped halfway has left it.
    (extracted / "results.json").unlink()
    (extracted / "features.npy").rename(extracted / ".features.part")
    (extracted / ".progress").mkdir()
    (extracted / ".progress/x.txt").write_text("1 1\n")
    assert again(tmp_path) == 1
    assert f"holds features, and {said}" in capsys.readouterr().err
    assert not (extracted / "features.npy").exists()
