"""An evaluation says what it is of: unreadable videos, test videos that were trained on, a k that is too large."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rhovideo.cli import main
from rhovideo.runs.official_counts import OfficialCount, add_official_counts
from tests.protocols.test_eval import CPU, MOCO, QUICK

# K is written: otherwise it would be fitted to the short list.
KNN = ("KNN.NUM_CLIPS", "1", "KNN.K", "200")


def _evaluate(data: Path, protocol: str, out: Path, *words: object) -> dict:
    command = ["eval", MOCO, "--data", data, "--protocol", protocol, "--out", out, *words]
    assert main([str(word) for word in command]) == 0
    return json.loads((out / "eval.json").read_text())


@pytest.fixture
def lists(synthetic_set, tmp_path):
    """Makes a folder of lists of the synthetic videos; ``broken`` of each list cannot be read."""

    def make(broken: int = 0, **sources: str) -> Path:
        folder = tmp_path / "lists"
        folder.mkdir()
        for split in ("train", "val", "test"):
            lines = (synthetic_set / f"{sources.get(split, split)}.csv").read_text().splitlines()
            lines = [f"{synthetic_set}/{line}" for line in lines]
            for number in range(broken):
                path = folder / f"{split}{number}.mp4"
                path.write_bytes(b"no video" * (number + 2))
                lines[number] = f"{path} {lines[number].rsplit(' ', 1)[1]}"
            (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
        return folder

    return make


def test_test_videos_that_are_training_videos_are_told_and_are_no_neighbours_of_their_own(lists, tmp_path, capsys):
    data = lists(test="train")
    found = _evaluate(data, "retrieval", tmp_path / "out", *CPU, "KNN.NUM_CLIPS", "1")
    told = capsys.readouterr()
    assert "all 24 videos are in train.csv too" in told.err
    assert "all 24 videos are in train.csv too" in (tmp_path / "out/stdout.log").read_text()
    assert "24 of 24 test videos are in the training list too; each is left out of its own neighbours" in told.out
    assert found["lists"]["test"] == {"listed": 24, "unreadable": 0, "used": 24, "in_train": 24}
    assert found["results"]["recall_at_1"] < 100


def test_recall_at_more_than_there_are_is_none_with_the_reason(lists, tmp_path, capsys):
    found = _evaluate(lists(), "retrieval", tmp_path / "out", *CPU, *KNN, "KNN.RECALL_AT", "[1,24,50]")
    told = capsys.readouterr().out
    assert (found["results"]["recall_at_24"], found["results"]["recall_at_50"]) == (None, None)
    assert "R@50       none" in told
    assert "R@24, R@50: none, since only 24 training videos could be used" in told
    assert found["lists"]["test"]["in_train"] == 0
    assert "KNN.K is 200, and there are 24 training videos" in (tmp_path / "out/stdout.log").read_text()


def test_a_result_says_how_many_of_the_official_videos_it_is_of(lists, tmp_path, capsys):
    data, out = lists(broken=2), tmp_path / "evals/out"
    add_official_counts({data / "test.csv": OfficialCount("Kinetics-400", "validation", 6, 1500)})
    found = _evaluate(data, "knn", out, *CPU, "KNN.NUM_CLIPS", "1")
    told = capsys.readouterr().out
    assert "; 4 of 1,500 official videos" in next(line for line in told.splitlines() if "k-NN top-1" in line)
    assert "6 of 1,500 official videos (Kinetics-400, validation)" in told
    assert found["lists"]["test"]["official"] == 1500
    assert "official" not in found["lists"]["train"]
    (counted,) = [item["official"] for item in found["inputs"] if item["role"] == "test list"]
    assert counted == {"dataset": "Kinetics-400", "split": "validation", "listed": 6, "official": 1500}
    # It stays with the result, whatever becomes of the lists.
    (data / "official.json").unlink()
    assert main(["results", str(out.parent)]) == 0
    assert "4 of 1,500" in capsys.readouterr().out
    assert _evaluate(data, "knn", out, *CPU, "KNN.NUM_CLIPS", "1") == found


def test_unreadable_videos_are_not_counted_as_trained_on(lists, tmp_path, capsys):
    data = lists(broken=2)
    (data / "train.csv").write_text((data / "train.csv").read_text().replace(f"{data}/train1.mp4", f"{data}/none.mp4"))
    found = _evaluate(data, "linear", tmp_path / "out", *QUICK, "TRAIN.BATCH_SIZE", "4", "TRAIN.EVAL_PERIOD", "1")
    told = capsys.readouterr().out
    counts = {split: (own["listed"], own["unreadable"], own["used"]) for split, own in found["lists"].items()}
    assert counts == {"train": (24, 2, 22), "val": (6, 2, 4), "test": (6, 2, 4)}
    assert found["videos"] == {"train": 22, "val": 4, "test": 4}
    assert "2 of 24 training videos could not be read" in told
    assert "2 of 6 test videos could not be read" in told
    nearest = _evaluate(data, "knn", tmp_path / "knn", *CPU, *KNN)
    assert nearest["videos"] == {"train": 22, "test": 4}
    assert "all 22 training videos that could be used vote" in capsys.readouterr().out


def test_the_videos_that_a_classifier_was_trained_on_are_known_in_its_test(lists, synthetic_set, tmp_path, capsys):
    found = _evaluate(synthetic_set, "linear", tmp_path / "linear", *QUICK)
    assert found["lists"]["test"]["in_train"] == 0
    capsys.readouterr()
    checkpoint = tmp_path / "linear/checkpoints/checkpoint_epoch_00001.pyth"
    words = ["eval", checkpoint, "--data", lists(test="train"), "--protocol", "test", "--out", tmp_path / "out", *CPU]
    assert main([str(word) for word in words]) == 0
    told = capsys.readouterr()
    assert f"all 24 videos are in {synthetic_set}/train.csv too" in told.err
    assert "24 of 24 test videos are in the training list too" in told.out
    assert json.loads((tmp_path / "out/eval.json").read_text())["lists"]["test"]["in_train"] == 24
