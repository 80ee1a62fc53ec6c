"""Rows are taken out of the training list of a run that goes on, as the message on broken videos advises."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from rhovideo.checks.lists.job_lists import ListCheck
from rhovideo.engine.checkpoints.checkpoint import CheckpointError
from rhovideo.engine.run import run
from tests.configured_runs import METHOD_KEYS, final_state, finish, start, write_config

MOCO = ["CONTRASTIVE.TYPE", "moco", *METHOD_KEYS["moco"]]
BROKEN = (2, 9, 11, 20)


@pytest.fixture
def data(tmp_path, synthetic_set):
    """24 videos, four of which are broken."""
    folder = tmp_path / "data"
    shutil.copytree(synthetic_set, folder)
    for row in BROKEN:
        (folder / rows(folder)[row].rpartition(" ")[0]).write_bytes(b"nothing to see")
    return folder


def rows(folder) -> list[str]:
    return (folder / "train.csv").read_text().splitlines()


def write_rows(folder, lines) -> None:
    (folder / "train.csv").write_text("".join(f"{line}\n" for line in lines))


def events(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def keep_only(folder, name) -> None:
    for path in (folder / "checkpoints").iterdir():
        if path.name != name:
            path.unlink()


@pytest.mark.parametrize("checkpoint", ["checkpoint_epoch_00001_step_0000002.pyth", "checkpoint_epoch_00002.pyth"])
def test_a_run_goes_on_with_a_shorter_list(configure, tmp_path, data, checkpoint):
    keys = [*MOCO, "DATA.PATH_TO_DATA_DIR", data, "DATA.MAX_BAD_VIDEO_SHARE", 1.0]
    saving = ["TRAIN.CHECKPOINT_MINUTES", 1e-6, "TRAIN.CHECKPOINT_KEEP", 0]
    run(configure("pretrain", *keys, *saving))
    keep_only(tmp_path / "out", checkpoint)
    before = final_state(tmp_path / "out")
    listed = rows(data)
    kept = [row for row in range(len(listed)) if row not in BROKEN]
    write_rows(data, [listed[row] for row in kept])
    cfg = configure("pretrain", *keys, "SOLVER.MAX_EPOCH", 3)

    (warning,) = [finding for finding in ListCheck()(cfg) if "no longer listed" in finding.wrong]
    assert warning.severity == "warning"
    assert "4 of the 24 videos" in warning.wrong
    run(cfg)

    log = (tmp_path / "out/stdout.log").read_text()
    assert warning.wrong in log
    assert "The order of the videos is a new one from here on" in log
    after = final_state(tmp_path / "out")
    assert (after["epoch"], after["epoch_layout"]["videos"]) == (3, 20)
    assert (before["videos"]["bad"], after["videos"]["bad"], after["videos"]["tried"]) == (4, 0, 20)
    first, second = (event for event in events(tmp_path / "out") if event["event"] == "training_list")
    assert (first["videos"], first["from"]) == (24, [0, 0])
    assert (second["videos"], second["from"]) == (20, [before["epoch"], before["step"]])
    # The same list once more: nothing to say, nothing to record.
    assert not [finding for finding in ListCheck()(cfg) if "listed" in finding.wrong]


def test_the_bank_keeps_the_embeddings_of_the_videos_that_are_left(configure, tmp_path, data):
    keys = [*MOCO, "DATA.PATH_TO_DATA_DIR", data, "DATA.MAX_BAD_VIDEO_SHARE", 1.0]
    run(configure("pretrain", *keys))
    before = final_state(tmp_path / "out")["task_state"]["bank"]
    listed = rows(data)
    kept = [row for row in range(len(listed)) if row not in BROKEN]
    write_rows(data, [listed[row] for row in kept])
    with_bank = run(configure("pretrain", *keys, "SOLVER.MAX_EPOCH", 3))
    assert with_bank["knn_top1"] >= 0

    from rhovideo.engine.evaluation.knn.knn_bank import KnnBank

    for cap in (0, 10):
        old, new = KnnBank(24, 8, cap), KnnBank(20, 8, cap)
        old.update(before["embeddings"], torch.arange(24), before["labels"], before["seen"])
        new.take_over(old.state_dict(), torch.tensor(kept), 24)
        held = 0
        for row, origin in enumerate(kept):
            place, source = new.rows(torch.tensor([row])), old.rows(torch.tensor([origin]))
            if place >= 0 and source >= 0:
                held += 1
                torch.testing.assert_close(new.embeddings[place], old.embeddings[source])
                assert new.labels[place] == old.labels[source]
                assert new.seen[place] == old.seen[source]
        assert held == (20 if not cap else held) > 0
        assert int(new.seen.sum()) <= held


@pytest.mark.parametrize("change", ["added", "changed"])
def test_added_and_changed_rows_are_refused_before_the_start_and_in_the_run(configure, tmp_path, data, change):
    keys = [*MOCO, "DATA.PATH_TO_DATA_DIR", data, "DATA.MAX_BAD_VIDEO_SHARE", 1.0]
    run(configure("pretrain", *keys))
    listed = rows(data)
    write_rows(data, [*listed[:5], "other/new.mp4 0", *listed[5 if change == "added" else 6 :]])
    cfg = configure("pretrain", *keys, "SOLVER.MAX_EPOCH", 3)
    (error,) = [finding for finding in ListCheck()(cfg) if finding.severity == "error"]
    assert "train.csv, line 6: " in error.wrong
    assert "other/new.mp4 is not in the list" in error.wrong
    with pytest.raises(CheckpointError, match=r"line 6: .*rows may only be taken out; or another OUTPUT_DIR"):
        run(cfg)
    assert final_state(tmp_path / "out")["epoch"] == 2


def test_the_same_videos_in_another_folder_are_the_same_list(configure, tmp_path, data):
    keys = [*MOCO, "DATA.MAX_BAD_VIDEO_SHARE", 1.0]
    run(configure("pretrain", *keys, "DATA.PATH_TO_DATA_DIR", data))
    moved = tmp_path / "scratch/of/job"
    moved.parent.mkdir(parents=True)
    data.rename(moved)
    cfg = configure("pretrain", *keys, "DATA.PATH_TO_DATA_DIR", moved, "SOLVER.MAX_EPOCH", 3)
    assert [finding for finding in ListCheck()(cfg) if finding.severity == "error"] == []
    run(cfg)
    assert final_state(tmp_path / "out")["epoch"] == 3
    assert len(events(tmp_path / "out")) == 1


def test_ranks_and_resumes_count_the_same_broken_video_once(tmp_path, data):
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "pretrain")
    keys = [*MOCO, "DATA.PATH_TO_DATA_DIR", data, "DATA.MAX_BAD_VIDEO_SHARE", 1.0, "TRAIN.EVAL_PERIOD", 0]
    for epochs in (2, 4, 6):
        finish(start([config], *keys, "NUM_CPU_PROCESSES", 2, "SOLVER.MAX_EPOCH", epochs))
        videos = final_state(tmp_path / "out")["videos"]
        assert (videos["tried"], videos["bad"]) == (24, 4), epochs
        assert videos["bad_rows"].tolist() == list(BROKEN)
