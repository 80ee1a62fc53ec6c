"""A chain that begins with a supervised training: later jobs take its encoder, and not its classes."""

from __future__ import annotations

import pytest
import torch

from rhovideo.cli import main
from rhovideo.config import load_cfg
from rhovideo.config.files.reading import load
from rhovideo.launch.chains import check_chain, checkpoint_source
from tests.configured_runs import ROOT

TINY = """
NUM_GPUS: 0
LOG_PERIOD: 100
MODEL: {ARCH: slow}
RESNET: {DEPTH: 18, WIDTH_PER_GROUP: 8}
DATA: {NUM_FRAMES: 2, SAMPLING_RATE: 1, TRAIN_CROP_SIZE: 32, TEST_CROP_SIZE: 32, TRAIN_JITTER_SCALES: [36, 40]}
TRAIN: {BATCH_SIZE: 8, EVAL_PERIOD: 0}
TEST: {NUM_ENSEMBLE_VIEWS: 1, NUM_SPATIAL_CROPS: 1}
SOLVER: {MAX_EPOCH: 1, WARMUP_EPOCHS: 0}
DATA_LOADER: {NUM_WORKERS: 0}
"""


def write(path, task, data, classes=0, rate=0.1):
    text = TINY.replace("NUM_FRAMES: 2", f"NUM_FRAMES: 2, PATH_TO_DATA_DIR: {data}")
    text = text.replace("MAX_EPOCH: 1", f"MAX_EPOCH: 1, BASE_LR: {rate}")
    text = text.replace("ARCH: slow", f"ARCH: slow, NUM_CLASSES: {classes}") if classes else text
    path.write_text(f"TASK: {task}\n{text}")
    return path


@pytest.fixture
def two_classes(synthetic_set, tmp_path):
    """The generated videos of two of the three classes."""
    folder = tmp_path / "two"
    folder.mkdir()
    for name in ("train", "test"):
        rows = [line.split() for line in (synthetic_set / f"{name}.csv").read_text().splitlines()]
        text = "".join(f"{synthetic_set / path} {label}\n" for path, label in rows if int(label) < 2)
        (folder / f"{name}.csv").write_text(text)
    return folder


def weights(run):
    return torch.load(run / "checkpoints/checkpoint_epoch_00001.pyth", weights_only=True)["model_state"]


def test_a_fine_tuning_and_features_begin_with_the_supervised_encoder(synthetic_set, two_classes, tmp_path):
    supervised = write(tmp_path / "supervised.yaml", "finetune", synthetic_set, classes=3)
    # At a rate of 0 the weights stay.
    finetune = write(tmp_path / "finetune.yaml", "finetune", two_classes, classes=2, rate=0)
    knn = write(tmp_path / "knn.yaml", "knn", two_classes)
    study = tmp_path / "study"
    words = ["run", "--cfg", supervised, finetune, knn, "--study", study]
    assert main([str(word) for word in words]) == 0
    first, second = weights(study / "supervised"), weights(study / "finetune")
    convolutions = [name for name, value in first.items() if value.ndim == 5]
    assert convolutions
    assert all(torch.equal(first[name], second[name]) for name in convolutions)
    heads = {name: (len(first[name]), len(second[name])) for name in first if first[name].ndim == 2}
    assert set(heads.values()) == {(3, 2)}
    # What is not taken is told.
    log = (study / "finetune/stdout.log").read_text()
    (line,) = [line for line in log.splitlines() if "online encoder: " in line]
    assert "supervised/checkpoints/checkpoint_epoch_00001.pyth" in line
    assert "ignored: head" in line
    source = load_cfg(study / "knn/config.yaml").TEST.CHECKPOINT_FILE_PATH
    assert source == str(study / "supervised/checkpoints/checkpoint_epoch_00001.pyth")


def chain(*paths):
    return [load(str(path)) for path in paths]


def job(folder, name, task, data, checkpoint=""):
    path = folder / f"{name}.yaml"
    path.write_text(
        f"TASK: {task}\nOUTPUT_DIR: {folder}/{name}\nMODEL: {{NUM_CLASSES: 3}}\nDATA: {{PATH_TO_DATA_DIR: {data}}}\n"
        f"TRAIN: {{CHECKPOINT_FILE_PATH: '{checkpoint}', EVAL_PERIOD: 0}}\n"
    )
    return path


@pytest.mark.parametrize(("task", "taken"), [("linear", True), ("finetune", True), ("detection", True), ("knn", True)])
def test_which_tasks_take_it(task, taken, tmp_path):
    first = job(tmp_path, "first", "finetune", "k400")
    second = job(tmp_path, "second", task, "ucf101/split1")
    source = checkpoint_source(chain(first, second), 1)
    assert (source is not None and source[1] == tmp_path / "first") == taken


def test_two_trainings_from_scratch_on_one_data_set_stay_apart(tmp_path):
    """The training videos of a split are tested in another."""
    splits = [job(tmp_path, f"on{number}", "finetune", f"ucf101/split{number}") for number in (1, 2)]
    assert checkpoint_source(chain(*splits), 1) is None
    same = [job(tmp_path, f"again{number}", "finetune", "k400") for number in (1, 2)]
    assert checkpoint_source(chain(*same), 1) is None
    assert any("random weights" in problem.wrong for problem in check_chain(chain(*same))[1:])


def test_a_fine_tuning_of_a_checkpoint_is_no_supervised_training(tmp_path):
    first = job(tmp_path, "first", "finetune", "k400", checkpoint="byol_slow_r50_8x8_rho4")
    assert checkpoint_source(chain(first, job(tmp_path, "second", "finetune", "ucf101/split1")), 1) is None


def test_a_pre_training_comes_first(tmp_path):
    jobs = chain(
        job(tmp_path, "first", "finetune", "k400"),
        job(tmp_path, "second", "pretrain", "k400"),
        job(tmp_path, "third", "finetune", "ucf101/split1"),
    )
    assert checkpoint_source(jobs, 2)[1] == tmp_path / "second"


def test_the_recipe_is_pyslowfast_s_with_the_paper_s_epochs():
    """configs/Kinetics/SLOW_8x8_R50.yaml there, in its own words; its rate is for one machine of 64 videos."""
    cfg = load_cfg(ROOT / "configs/supervised/K400_SlowR50_8x8.yaml")
    solver = cfg.SOLVER
    assert (solver.BASE_LR, solver.BASE_LR_BATCH, solver.LR_POLICY, solver.MAX_EPOCH) == (0.1, 64, "cosine", 200)
    assert (solver.WARMUP_EPOCHS, solver.WARMUP_START_LR, solver.WEIGHT_DECAY) == (34.0, 0.01, 1e-4)
    assert (solver.MOMENTUM, solver.OPTIMIZING_METHOD, solver.NESTEROV) == (0.9, "sgd", True)
    assert (cfg.MODEL.DROPOUT_RATE, cfg.MODEL.NUM_CLASSES, cfg.TRAIN.CHECKPOINT_FILE_PATH) == (0.5, 400, "")
    assert (cfg.DATA.TRAIN_JITTER_SCALES, cfg.DATA.TRAIN_CROP_SIZE, cfg.DATA.TEST_CROP_SIZE) == ([256, 320], 224, 256)
    assert (cfg.TEST.NUM_ENSEMBLE_VIEWS, cfg.TEST.NUM_SPATIAL_CROPS) == (10, 3)
    assert (cfg.BN.USE_PRECISE_STATS, cfg.RESNET.ZERO_INIT_FINAL_BN) == (True, True)
