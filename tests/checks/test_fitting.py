"""Small folders just work: keys that the user has not written are fitted to the list, and stay so for a run's life."""

from __future__ import annotations

import pytest
import yaml

from rhovideo.cli import main
from rhovideo.launch.plan import make_plan

RECIPE = "pretrain/MoCo_SlowR50_8x8_paper"


def values(cfg):
    return cfg.TRAIN.BATCH_SIZE, cfg.CONTRASTIVE.QUEUE_LEN, cfg.KNN.K, cfg.SOLVER.WARMUP_EPOCHS


def listing(folder, videos):
    (folder / "train.csv").write_text("a.mp4 0\n" * videos)


def planned(*words, config=RECIPE, **more):
    (job,) = make_plan([config], ["DATA.PATH_TO_DATA_DIR", ".", "NUM_GPUS", 0, *words], **more).jobs
    return job


@pytest.mark.parametrize(
    ("videos", "words", "fitted"),
    [
        (64, [], (64, 64, 8, 35)),
        (64, ["SOLVER.MAX_EPOCH", 10], (64, 64, 8, 1.75)),
        (12, [], (4, 12, 3, 35)),
        (12, ["NUM_CPU_PROCESSES", 3], (6, 12, 3, 35)),
        (64, ["NUM_SHARDS", 2], (16, 64, 8, 35)),
        (20_000, [], (64, 19_968, 200, 35)),
        (100_000, [], (64, 65536, 200, 35)),
    ],
)
def test_the_recipe_fits_the_list(jobs_folder, videos, words, fitted):
    listing(jobs_folder, videos)
    assert values(planned(*words).cfg) == fitted


@pytest.mark.parametrize(("videos", "batch", "group"), [(64, 32, 8), (31, 8, 4), (9, 4, 2), (3, 1, 0)])
def test_a_smaller_batch_whitens_fewer_dimensions(jobs_folder, videos, batch, group):
    listing(jobs_folder, videos)
    cfg = planned("CONTRASTIVE.BN_MLP", False, config="demo/byol").cfg
    assert (cfg.TRAIN.BATCH_SIZE, cfg.CONTRASTIVE.WHITEN_EMBEDDING) == (batch, group)


def test_what_a_person_wrote_is_left_alone(jobs_folder):
    listing(jobs_folder, 64)
    words = ["CONTRASTIVE.QUEUE_LEN", 128, "KNN.K", 50]
    assert values(planned(*words).cfg) == (64, 128, 50, 35)
    (jobs_folder / "copy.yaml").write_text(f"_BASE_: {RECIPE}\nCONTRASTIVE: {{QUEUE_LEN: 65536}}\n")
    job = planned(config="copy.yaml")
    assert values(job.cfg) == (64, 65536, 8, 35)
    (swept,) = make_plan(
        [RECIPE], ["DATA.PATH_TO_DATA_DIR", ".", "NUM_GPUS", 0], "CONTRASTIVE.QUEUE_LEN=640", "study"
    ).jobs
    assert values(swept.cfg) == (64, 640, 8, 35)


def test_a_copied_recipe_is_the_users_own_file(jobs_folder, capsys):
    listing(jobs_folder, 64)
    assert main(["configs", "--copy", RECIPE, "--to", "mine.yaml"]) == 0
    assert values(planned(config="mine.yaml").cfg)[:2] == (64, 65536)


def test_one_line_says_so_and_there_is_no_warning(jobs_folder, capsys):
    listing(jobs_folder, 64)
    words = ["DATA.PATH_TO_DATA_DIR", ".", "NUM_GPUS", "0", "SOLVER.MAX_EPOCH", "10"]
    assert main(["run", "--cfg", RECIPE, *words, "--dry-run"]) == 0
    shown = capsys.readouterr()
    line = "fitted to 64 videos: CONTRASTIVE.QUEUE_LEN 65536 → 64, KNN.K 200 → 8, SOLVER.WARMUP_EPOCHS 35 → 1.75"
    assert shown.err.count(line) == 1
    assert "warning" not in shown.err
    configuration = yaml.safe_load(shown.out)
    assert (configuration["CONTRASTIVE"]["QUEUE_LEN"], configuration["KNN"]["K"]) == (64, 8)


def test_a_queue_that_a_person_wrote_keeps_its_warning_and_names_the_fitting_one(jobs_folder, capsys):
    listing(jobs_folder, 64)
    words = ["DATA.PATH_TO_DATA_DIR", ".", "NUM_GPUS", "0", "CONTRASTIVE.QUEUE_LEN", "65536"]
    assert main(["run", "--cfg", RECIPE, *words, "--dry-run"]) == 0
    assert "Write CONTRASTIVE.QUEUE_LEN 64" in capsys.readouterr().err


def test_a_resumed_run_keeps_its_first_values_when_the_list_has_changed(jobs_folder):
    listing(jobs_folder, 12)
    first = planned("OUTPUT_DIR", "run")
    run = jobs_folder / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text(first.cfg.dump())
    listing(jobs_folder, 400)
    assert values(planned("OUTPUT_DIR", "run").cfg) == (64, 384, 200, 35)  # it has no checkpoint yet
    (run / "checkpoints/checkpoint_epoch_00001.pyth").touch()
    again = planned("OUTPUT_DIR", "run")
    assert values(again.cfg) == values(first.cfg) == (4, 12, 3, 35)
    assert any(note.startswith("as run began: ") for note in again.notes)
    assert again.cfg == first.cfg
    assert planned("OUTPUT_DIR", "run", "TRAIN.AUTO_RESUME", False).cfg.TRAIN.BATCH_SIZE == 64


def test_mixed_precision_of_a_recipe_is_off_on_the_cpu(jobs_folder, capsys):
    """It is for GPUs: on a CPU a step takes many times as long with it."""
    listing(jobs_folder, 64)
    assert planned().cfg.TRAIN.MIXED_PRECISION is False
    assert "fitted to the CPU: TRAIN.MIXED_PRECISION True → False" in planned().notes
    assert planned("NUM_GPUS", -1).cfg.TRAIN.MIXED_PRECISION is True
    assert planned("TRAIN.MIXED_PRECISION", True).cfg.TRAIN.MIXED_PRECISION is True


def test_a_resumed_run_keeps_its_precision(jobs_folder):
    listing(jobs_folder, 64)
    run = jobs_folder / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints/checkpoint_epoch_00001.pyth").touch()
    (run / "config.yaml").write_text(planned("OUTPUT_DIR", "run", "TRAIN.MIXED_PRECISION", True).cfg.dump())
    assert planned("OUTPUT_DIR", "run").cfg.TRAIN.MIXED_PRECISION is True
