"""``rhovideo eval``, ``results``, ``status`` and ``report`` of videos with several labels each show mAP, not top-1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rhovideo.cli import main
from rhovideo.config.findings import ConfigError
from rhovideo.protocols.known_datasets import has_label_sets, reader
from rhovideo.report import write_report
from tests.multi_label_sets import write_frames, write_videos

ROOT = Path(__file__).parents[2]
MOCO = str(ROOT / "tests/reference/moco_tiny_epoch_00200.pyth")
QUICK = [
    *("NUM_GPUS", "0", "DATA_LOADER.NUM_WORKERS", "0", "SOLVER.MAX_EPOCH", "1", "SOLVER.WARMUP_EPOCHS", "0"),
    *("SOLVER.STEPS", "[0]", "SOLVER.LRS", "[1]", "TRAIN.BATCH_SIZE", "4", "TEST.NUM_ENSEMBLE_VIEWS", "2"),
]


def evaluate(data, protocol, out, *words):
    return main(["eval", MOCO, "--data", str(data), "--protocol", protocol, "--out", str(out), *map(str, words)])


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = write_frames(tmp_path_factory.mktemp("frames"), train=8, val=4)
    (folder / "classes.txt").write_text("".join(f"{way} {colour}\n" for way in ("flat", "tall") for colour in "rgb"))
    return folder


@pytest.fixture(scope="module")
def evaluated(frames, tmp_path_factory):
    """Two evaluations of the same checkpoint: of frames by protocol charades, and by the linear one."""
    folder = tmp_path_factory.mktemp("eval")
    prefix = ["DATA.PATH_PREFIX", frames / "frames"]
    assert evaluate(frames, "charades", folder / "charades", *QUICK, *prefix) == 0
    linear = [*QUICK[:8], *QUICK[12:]]
    assert evaluate(frames, "linear", folder / "linear", *linear, *prefix) == 0
    return folder


def test_the_number_is_map_with_its_classes(evaluated):
    for protocol in ("charades", "linear"):
        found = json.loads((evaluated / protocol / "eval.json").read_text())
        assert (found["metric"], found["protocol"]) == ("test_map", protocol)
        assert found["value"] == found["results"]["test_map"]
        assert not [name for name in found["results"] if "top" in name]
        classes = found["per_class"]
        assert [each["class"] for each in classes] == sorted(each["class"] for each in classes)
        assert classes[0]["name"].split()[0] in ("flat", "tall")
        mean = sum(each["ap"] for each in classes) / len(classes)
        assert found["value"] == pytest.approx(mean, abs=1e-3)
        assert "confusion" not in found
    settings = json.loads((evaluated / "charades" / "eval.json").read_text())["settings"]
    assert (settings["num_frames"], settings["sampling_rate"], settings["clips"]) == (16, 8, 2)


def test_it_is_printed_as_map(evaluated, frames, capsys):
    prefix = ["DATA.PATH_PREFIX", frames / "frames"]
    assert evaluate(frames, "charades", evaluated / "charades", *QUICK, *prefix) == 0
    shown = capsys.readouterr().out
    value = json.loads((evaluated / "charades" / "eval.json").read_text())["value"]
    assert f"mAP        {value:6.2f} %, mean over" in shown
    assert "top-1" not in shown
    assert main(["results", str(evaluated)]) == 0
    table = capsys.readouterr().out
    assert table.count("test_map") == 2
    assert f"{value:.2f}" in table
    assert main(["results", str(evaluated / "charades")]) == 0
    table = capsys.readouterr().out
    assert "mAP" in table
    assert "top1" not in table
    assert main(["status", str(evaluated / "charades")]) == 0
    assert f"test mAP {value:.2f}" in capsys.readouterr().out


def test_the_report_shows_the_average_precision_of_each_class(evaluated, tmp_path):
    page = write_report(evaluated / "charades", tmp_path / "page.md", features=False).read_text()
    assert "test mAP" in page
    assert "Average precision of each class" in page
    assert "tall b" in page
    for absent in ("top-1", "Confusion matrix", "Accuracy on each class", "damaged", "Wilson): the accuracy of"):
        assert absent not in page, absent
    value = json.loads((evaluated / "charades" / "eval.json").read_text())["value"]
    assert f"{value:.1f} %" in page


def test_lists_of_videos_are_told_by_their_quotes(tmp_path, capsys):
    folder = write_videos(tmp_path / "videos", train=8, val=4)
    assert (reader(folder), has_label_sets(folder)) == ("kinetics", True)
    assert evaluate(folder, "finetune", tmp_path / "out", *QUICK) == 0
    assert json.loads((tmp_path / "out" / "eval.json").read_text())["metric"] == "test_map"


@pytest.mark.parametrize("protocol", ["knn", "fast", "retrieval"])
def test_protocols_of_one_label_a_video_are_refused(frames, tmp_path, protocol, capsys):
    assert evaluate(frames, protocol, tmp_path / "out", "NUM_GPUS", "0") == 2
    assert "takes one label a video, and these lists have several" in capsys.readouterr().err


def test_protocol_charades_of_lists_with_one_label_is_refused(synthetic_set, tmp_path, capsys):
    assert evaluate(synthetic_set, "charades", tmp_path / "out", "NUM_GPUS", "0") == 2
    shown = capsys.readouterr().err
    assert "have one label a video" in shown
    assert '`a.mp4 "3,9,21"`' in shown


def test_several_labels_are_refused_where_a_classifier_was_trained_for_one(tmp_path):
    from rhovideo.config import load_cfg

    with pytest.raises(ConfigError, match="softmax lets the classes"):
        load_cfg(None, ["TASK", "test", "DATA.MULTI_LABEL", True, "MODEL.HEAD_ACT", "softmax"])
