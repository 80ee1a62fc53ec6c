"""Videos with several labels each, whole: clips and their labels, training, mAP, files; PySlowFast's Charades files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from rhovideo.config import load_cfg
from rhovideo.data.loading.datasets import SampleKey, build_dataset
from rhovideo.data.loading.loader import build_loader
from rhovideo.engine.run import run
from rhovideo.engine.tasks.multi_label_training import MultiLabelTask
from rhovideo.metrics import multilabel_map
from tests.config.test_several_labels import SLOWFAST
from tests.multi_label_sets import CLASSES, write_frames, write_videos

REFERENCE = Path(__file__).parents[2] / "reference" / "downstream"
TINY = [
    *("NUM_GPUS", 0, "DATA_LOADER.NUM_WORKERS", 0, "RESNET.WIDTH_PER_GROUP", 8, "DATA.TRAIN_CROP_SIZE", 32),
    *("DATA.TEST_CROP_SIZE", 32, "DATA.TRAIN_JITTER_SCALES", "[32,40]", "MODEL.NUM_CLASSES", CLASSES),
]
BARS = [
    *(*TINY, "RESNET.DEPTH", 18, "DATA.NUM_FRAMES", 2, "DATA.SAMPLING_RATE", 2, "DATA.RANDOM_FLIP", False),
    *("MODEL.DROPOUT_RATE", 0.0, "TRAIN.BATCH_SIZE", 16, "SOLVER.BASE_LR", 0.1, "SOLVER.MAX_EPOCH", 10),
    *("SOLVER.WARMUP_EPOCHS", 1.0, "TRAIN.EVAL_PERIOD", 10, "TEST.NUM_ENSEMBLE_VIEWS", 3),
]


def configured(folder, task, *overrides, file=None):
    places = ["DATA.PATH_TO_DATA_DIR", folder, "DATA.MANIFEST_CACHE", folder / "cache", "OUTPUT_DIR", folder / "out"]
    if (folder / "frames").is_dir():
        places += ["DATA.PATH_PREFIX", folder / "frames"]
    words = ["TASK", task] if task else []
    return load_cfg(file, [*words, *places, *overrides])


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return write_frames(tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return write_videos(tmp_path_factory.mktemp("videos"))


def test_a_training_clip_has_the_labels_of_its_frames_and_a_test_video_all_of_its_own(frames):
    cfg = configured(frames, "finetune", "TRAIN.DATASET", "charades", *BARS)
    train, test = build_dataset(cfg, "train", "train"), build_dataset(cfg, "test", "test")
    manifest, seen = train.manifest, set()
    for epoch in range(12):
        for index in range(len(train)):
            sample = train[SampleKey(epoch, index)]
            (times,), _ = train.times_of(SampleKey(epoch, index), sample)
            expected = manifest.label_set(index, int(times[0]), int(times[-1]))
            assert tuple(sample.targets.nonzero()[:, 0].tolist()) == expected
            assert times[-1] - times[0] <= 2
            seen.add(expected == manifest.label_set(index))
    # The last frames of a video have no label.
    assert seen == {True, False}
    for index in range(len(test)):
        assert tuple(test[SampleKey(0, index)].targets.nonzero()[:, 0].tolist()) == test.manifest.label_set(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_carry_the_targets(videos, workers):
    cfg = configured(videos, "finetune", "DATA.MULTI_LABEL", True, *BARS, "DATA_LOADER.NUM_WORKERS", workers)
    loader = build_loader(cfg, "val", "eval")
    (batch,) = loader.epoch()
    expected = [[int(c in loader.dataset.manifest.label_set(i)) for c in range(CLASSES)] for i in range(6)]
    assert batch.targets.tolist() == expected
    assert batch.select(torch.tensor([False, True] * 3)).targets.tolist() == expected[1::2]
    loader.close()


def test_pixels_and_labels_of_test_items_are_pyslowfasts(tmp_path):
    """The picture of a frame has its number as blue, three times its column as green, four times its row as red."""
    import cv2

    rows, columns = np.mgrid[:60, :80]
    for frame in range(40):
        image = np.stack([np.full((60, 80), frame), 3 * columns, 4 * rows], -1).astype(np.uint8)  # BGR
        (tmp_path / "frames/forty").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / f"frames/forty/forty_{frame + 1:06d}.png"), image)
    lines = (REFERENCE / "charades_train.csv").read_text().splitlines()
    (tmp_path / "val.csv").write_text("\n".join([lines[0], *(line for line in lines if line.startswith("forty "))]))
    keys = ["TRAIN.DATASET", "charades", "DATA.NUM_FRAMES", 4, "DATA.SAMPLING_RATE", 4, "MODEL.NUM_CLASSES", 157]
    cfg = configured(tmp_path, "test", *keys, "DATA.TEST_CROP_SIZE", 256, "NUM_GPUS", 0)
    sample = build_dataset(cfg, "test", "test")[SampleKey(0, 0)]
    items = json.loads((REFERENCE / "charades_sampling.json").read_text())["test_items_4x4_video_forty"]
    for item in items:
        clip = sample.clips[3 * item["view"] + item["crop"]].float()
        assert clip[:, 0, 0, 2].round().tolist() == item["frame_index_from_channel_2"]
        assert sample.targets.nonzero()[:, 0].tolist() == item["labels"]
        # Bytes here, floats there.
        corners = [float(clip[0, 128, 0, 1]), float(clip[0, 128, -1, 1])]
        assert corners == pytest.approx(item["corner_green_columns"], abs=1)


def test_the_loss_is_the_mean_binary_cross_entropy(videos):
    cfg = configured(videos, "finetune", "DATA.MULTI_LABEL", True, *BARS)
    task, loader = MultiLabelTask(cfg), build_loader(cfg, "val", "eval")
    (batch,) = loader.epoch()
    (loss,) = task.losses(batch, 0.0)
    task.model.train()
    logits = task.model(task._network_input(batch)).double()
    expected = functional.softplus(logits) - batch.targets * logits
    torch.testing.assert_close(loss.double(), expected.mean(), rtol=1e-4, atol=1e-5)


def test_bars_are_learned_and_random_features_do_not_know_them(tmp_path):
    write_frames(tmp_path, train=240, val=60, size=40)
    dataset = ["TRAIN.DATASET", "charades", "DATA.ENSEMBLE_METHOD", "max"]
    trained = run(configured(tmp_path, "finetune", *dataset, *BARS))
    random = run(configured(tmp_path, "linear", *dataset, *BARS, "OUTPUT_DIR", tmp_path / "linear"))
    assert trained["test_map"] > 80
    assert trained["map"] > 75
    assert random["test_map"] < 60
    _check_files(tmp_path / "out", trained)


def _check_files(out, results):
    with np.load(out / "test_scores.npz") as arrays:
        found = multilabel_map(arrays["scores"], arrays["targets"])
        scores, targets = arrays["scores"], arrays["targets"]
    assert results["test_map"] == pytest.approx(100 * found["map"])
    assert results["test_classes"] == len(found["ap"])
    with (out / "per_class_ap.csv").open() as file:
        rows = {int(row["class"]): row for row in csv.DictReader(file)}
    assert {label: float(row["ap"]) for label, row in rows.items()} == pytest.approx(
        {label: 100 * value for label, value in found["ap"].items()}, abs=1e-3
    )
    assert {label: int(row["videos"]) for label, row in rows.items()} == {c: int(targets[:, c].sum()) for c in rows}
    with (out / "multi_label_predictions.csv").open() as file:
        predictions = list(csv.DictReader(file))
    assert len(predictions) == len(scores)
    first = predictions[0]
    assert [int(c) for c in first["highest"].split(",")] == np.argsort(-scores[0], kind="stable")[:5].tolist()
    assert json.loads((out / "results.json").read_text())["test_map"] == pytest.approx(results["test_map"], abs=1e-3)


SLOW = """
TRAIN: {ENABLE: True, DATASET: ptvcharades, BATCH_SIZE: 64, EVAL_PERIOD: 6, CHECKPOINT_PERIOD: 6, AUTO_RESUME: True,
  CHECKPOINT_EPOCH_RESET: True}
DATA: {NUM_FRAMES: 8, SAMPLING_RATE: 8, TRAIN_JITTER_SCALES: [256, 340], TRAIN_CROP_SIZE: 224, TEST_CROP_SIZE: 256,
  INPUT_CHANNEL_NUM: [3], MULTI_LABEL: True, INV_UNIFORM_SAMPLE: True, ENSEMBLE_METHOD: max,
  REVERSE_INPUT_CHANNEL: True}
BN: {USE_PRECISE_STATS: False, NUM_BATCHES_PRECISE: 200}
SOLVER: {BASE_LR: 0.25, BASE_LR_SCALE_NUM_SHARDS: True, LR_POLICY: cosine, COSINE_END_LR: 1e-6, MAX_EPOCH: 60,
  WARMUP_EPOCHS: 5.0, WARMUP_START_LR: 0.0001}
MODEL: {NUM_CLASSES: 157, ARCH: slow, MODEL_NAME: PTVResNet, LOSS_FUNC: bce_logit, HEAD_ACT: sigmoid}
TEST: {ENABLE: True, DATASET: ptvcharades, BATCH_SIZE: 64, NUM_ENSEMBLE_VIEWS: 10, NUM_SPATIAL_CROPS: 3}
NUM_GPUS: 8
"""


@pytest.mark.parametrize(("text", "more"), [(SLOWFAST, ["DATA.NUM_FRAMES", 8]), (SLOW, ["DATA.NUM_FRAMES", 2])])
def test_pyslowfasts_files_run_from_training_to_the_test(tmp_path, text, more):
    (tmp_path / "file.yaml").write_text(text)
    write_frames(tmp_path, train=6, val=3)
    small = ["TRAIN.BATCH_SIZE", 3, "SOLVER.MAX_EPOCH", 1, "SOLVER.WARMUP_EPOCHS", 0, "BN.NUM_SYNC_DEVICES", 1]
    small += ["TEST.NUM_ENSEMBLE_VIEWS", 2, "TRAIN.CHECKPOINT_FILE_PATH", "", *more]
    results = run(configured(tmp_path, "", *TINY, *small, file=tmp_path / "file.yaml"))
    assert results["test_videos"] == 3
    assert 0 < results["test_map"] <= 100
    assert results["test_classes"] >= 2


def test_a_video_that_cannot_be_read_is_left_out_and_a_list_without_labels_is_refused(tmp_path):
    from rhovideo.data.lists.csv_parsing import ManifestError

    write_videos(tmp_path, train=8, val=5)
    (tmp_path / "val3.mp4").write_bytes(b"no video")
    short = ["DATA.MULTI_LABEL", True, *BARS, "SOLVER.MAX_EPOCH", 1, "SOLVER.WARMUP_EPOCHS", 0, "TRAIN.BATCH_SIZE", 4]
    results = run(configured(tmp_path, "finetune", *short))
    assert (results["test_videos"], results["val_videos"]) == (4, 4)
    (tmp_path / "train.csv").write_text("".join(f'train{i}.mp4 ""\n' for i in range(8)))
    with pytest.raises(ManifestError, match="has no labels, which TASK finetune needs"):
        run(configured(tmp_path, "finetune", *short, "OUTPUT_DIR", tmp_path / "other"))
