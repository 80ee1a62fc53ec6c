"""Keys that are ``auto``: the rules, where they are read, and what is said where they cannot be found."""

import csv
import os
import re

import pytest

from rhovideo.checks.fitting import fit_to_list
from rhovideo.cli import main
from rhovideo.config import ConfigError, load_cfg
from rhovideo.config.auto_values import AUTO_KEYS, auto_values
from rhovideo.config.files.reading import load
from rhovideo.config.keys import get_value
from rhovideo.config.schema import definitions
from rhovideo.launch.plan import make_plan
from rhovideo.zoo.catalogue import ENTRIES

METHODS = ("simclr", "moco", "byol", "swav")


def of_list(folder, videos, labelled=True):
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "val"):
        with (folder / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file, delimiter=" ").writerows([f"{split}/{i}.mp4", i % 7] for i in range(videos))
    return ["DATA.PATH_TO_DATA_DIR", folder, "OUTPUT_DIR", folder / "out"]


def test_the_schema_and_the_rules_name_the_same_keys():
    assert {name for name, key in definitions().items() if key.auto} == set(AUTO_KEYS)


@pytest.mark.parametrize("recipe", [*METHODS, "linear"])
def test_the_demo_has_what_auto_gives_for_its_videos(recipe):
    demo, small = load_cfg(f"demo/{recipe}"), load_cfg(f"small/{recipe}_cpu", videos=256)
    small.defrost()
    small.OUTPUT_DIR = demo.OUTPUT_DIR
    if recipe != "moco":  # these keys are then read by nobody
        small.CONTRASTIVE.QUEUE_LEN = demo.CONTRASTIVE.QUEUE_LEN
    assert small == demo


@pytest.mark.parametrize("videos", [8, 17, 63, 100, 480, 1000, 9999, 240_000, 10**7])
@pytest.mark.parametrize("recipe", ["simclr_cpu", "moco_1gpu", "byol_8gpu", "swav_cpu", "linear_1gpu", "finetune_8gpu"])
def test_every_list_gets_values_that_can_be_trained_with(recipe, videos):
    cfg = load_cfg(f"small/{recipe}", ["MODEL.NUM_CLASSES", 2], videos=max(videos, 32 if "8gpu" in recipe else 8))
    processes = cfg.NUM_GPUS or cfg.NUM_CPU_PROCESSES
    assert cfg.TRAIN.BATCH_SIZE % processes == 0
    assert 1 <= cfg.SOLVER.MAX_EPOCH <= 400
    assert 0 <= cfg.SOLVER.WARMUP_EPOCHS < cfg.SOLVER.MAX_EPOCH
    assert 0.5 <= cfg.CONTRASTIVE.MOMENTUM <= 0.996
    if cfg.CONTRASTIVE.TYPE == "moco" and cfg.TASK == "pretrain":
        assert cfg.CONTRASTIVE.QUEUE_LEN % cfg.TRAIN.BATCH_SIZE == 0
        assert cfg.CONTRASTIVE.QUEUE_LEN <= 65536


@pytest.mark.parametrize("recipe", ["simclr_cpu", "byol_1gpu", "moco_8gpu"])
def test_more_videos_never_make_an_epoch_shorter_or_a_batch_smaller(recipe):
    made = [load_cfg(f"small/{recipe}", videos=videos) for videos in (100, 200, 500, 2000, 20_000)]
    batches = [cfg.TRAIN.BATCH_SIZE for cfg in made]
    assert batches == sorted(batches)
    epochs = [cfg.SOLVER.MAX_EPOCH for cfg in made]
    assert epochs == sorted(epochs, reverse=True)


def test_all_gpus_of_a_machine_get_at_least_the_batch_of_one():
    batches = [load_cfg("small/simclr_1gpu", ["NUM_GPUS", gpus], videos=4800).TRAIN.BATCH_SIZE for gpus in (1, -1)]
    assert batches == [64, 64]


@pytest.mark.parametrize(
    ("videos", "words", "group"),
    [
        (256, (), 8),
        # A batch of 8.
        (20, (), 4),
        (4, (), 0),
        # 16 videos of each process, which share their statistics, and which do not.
        (256, ("NUM_CPU_PROCESSES", 4), 8),
        (256, ("NUM_CPU_PROCESSES", 4, "CONTRASTIVE.BN_SYNC_MLP", False), 4),
        (256, ("CONTRASTIVE.DIM", 30), 6),
    ],
)
def test_as_much_is_whitened_as_the_batch_allows(videos, words, group):
    assert load_cfg("small/byol_cpu", words, videos=videos).CONTRASTIVE.WHITEN_EMBEDDING == group


def test_a_training_has_about_as_many_steps_whatever_the_list():
    for videos in (128, 256, 480, 1000):
        cfg = load_cfg("small/simclr_cpu", videos=videos)
        steps = cfg.SOLVER.MAX_EPOCH * (videos // cfg.TRAIN.BATCH_SIZE)
        assert 600 <= steps <= 680


@pytest.mark.parametrize("method", ["BYOL", "MoCo", "SimCLR", "SwAV"])
def test_going_on_with_a_released_encoder_is_short_and_slow(method):
    """A tenth of the rate of the pre-training, for a quarter of the steps, with the network and heads of the file."""
    there = load_cfg(f"pretrain/{method}_SlowR50_8x8_paper")
    here = load_cfg(f"continue/{method}_SlowR50_8x8_continued", videos=1024)
    fresh = load_cfg(f"continue/{method}_SlowR50_8x8_continued", ["TRAIN.CHECKPOINT_FILE_PATH", ""], videos=1024)
    assert here.SOLVER.BASE_LR == pytest.approx(there.SOLVER.BASE_LR / 10)
    assert (here.TRAIN.BATCH_SIZE, here.SOLVER.MAX_EPOCH, fresh.SOLVER.MAX_EPOCH) == (64, 312, 400)
    assert here.TRAIN.CHECKPOINT_FILE_PATH in {entry.name for entry in ENTRIES}
    for key in ("TYPE", "DIM", "MLP_DIM", "NUM_MLP_LAYERS", "PREDICTOR_DEPTHS", "T", "LOSS_FORM"):
        assert here.CONTRASTIVE[key] == there.CONTRASTIVE[key]
    assert (here.MODEL, here.RESNET) == (there.MODEL, there.RESNET)


def test_what_depends_on_another_key_follows_the_one_that_is_written():
    cfg = load_cfg("small/byol_cpu", ["SOLVER.MAX_EPOCH", 160], videos=256)
    assert (cfg.SOLVER.MAX_EPOCH, cfg.SOLVER.WARMUP_EPOCHS, cfg.CONTRASTIVE.MOMENTUM) == (160, 4.0, 0.975)
    cfg = load_cfg("small/moco_cpu", ["TRAIN.BATCH_SIZE", 24], videos=256)
    assert (cfg.SOLVER.MAX_EPOCH, cfg.CONTRASTIVE.QUEUE_LEN) == (64, 240)


def test_a_start_counts_the_list_and_says_what_it_found(tmp_path):
    loaded = load("small/moco_cpu", of_list(tmp_path, 480), fitted=fit_to_list)
    expected = auto_values(load_cfg("small/moco_cpu", videos=480), 480, AUTO_KEYS[:5])
    assert {key: get_value(loaded.cfg, key) for key in expected} == expected
    assert any("auto for 480 videos" in note and "MAX_EPOCH 43" in note for note in loaded.notes)


def test_a_value_in_ones_own_file_may_be_auto(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("TASK: pretrain\nNUM_GPUS: 0\nTRAIN:\n  BATCH_SIZE: auto\n")
    loaded = load(mine, of_list(tmp_path / "set", 100), fitted=fit_to_list)
    assert loaded.cfg.TRAIN.BATCH_SIZE == 16
    assert (
        load(mine, [*of_list(tmp_path / "set", 100), "TRAIN.BATCH_SIZE", 8], fitted=fit_to_list).cfg.TRAIN.BATCH_SIZE
        == 8
    )


def test_without_the_number_of_videos_each_key_is_named_with_its_line(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_cfg("small/moco_cpu")
    keys = {problem.key for problem in caught.value.problems}
    assert keys == {
        "TRAIN.BATCH_SIZE",
        "SOLVER.MAX_EPOCH",
        "SOLVER.WARMUP_EPOCHS",
        "CONTRASTIVE.MOMENTUM",
        "CONTRASTIVE.QUEUE_LEN",
    }
    assert "load_cfg(..., videos=N)" in str(caught.value)
    assert re.search(r"_pretrain_\.yaml:\d+", str(caught.value))


def test_a_list_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"TRAIN\.BATCH_SIZE: is auto, .*MAX_EPOCH.*; the training list cannot be read: .*train\.csv"
    ):
        load("small/simclr_cpu", ["DATA.PATH_TO_DATA_DIR", tmp_path], fitted=fit_to_list)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("TRAIN.BATCH_SIZE", 0),
        ("TRAIN.BATCH_SIZE", -8),
        ("NUM_SHARDS", 0),
        ("TRAIN.ACCUMULATE_STEPS", 0),
        ("NUM_CPU_PROCESSES", 0),
        ("SOLVER.MAX_EPOCH", 0),
        ("CONTRASTIVE.DIM", 0),
        ("CONTRASTIVE.QUEUE_LEN", 0),
    ],
)
@pytest.mark.parametrize("method", ["moco", "swav"])
def test_another_key_that_is_out_of_range_is_named_as_ever(tmp_path, method, key, value):
    with pytest.raises(ConfigError) as caught:
        load(f"small/{method}_cpu", [*of_list(tmp_path, 256), key, value], fitted=fit_to_list)
    assert key in {problem.key for problem in caught.value.problems}


def test_a_sweep_may_have_it_as_one_of_its_values(tmp_path):
    words = [*of_list(tmp_path, 256)[:2], "MODEL.NUM_CLASSES", 7]
    plan = make_plan(["small/simclr_cpu"], words, "TRAIN.BATCH_SIZE=auto,16", str(tmp_path / "study"))
    assert [job.cfg.TRAIN.BATCH_SIZE for job in plan.jobs] == [32, 16]
    assert [job.cfg.SOLVER.MAX_EPOCH for job in plan.jobs] == [80, 40]


def test_an_empty_list_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"TRAIN\.BATCH_SIZE: is auto, .*train\.csv.*(empty|no video)"):
        load("small/simclr_cpu", of_list(tmp_path, 0), fitted=fit_to_list)


def test_a_resumed_run_keeps_the_numbers_that_it_began_with(tmp_path):
    words = of_list(tmp_path, 480)
    first = load("small/moco_cpu", words, fitted=fit_to_list).cfg
    (tmp_path / "out/checkpoints").mkdir(parents=True)
    (tmp_path / "out/config.yaml").write_text(first.dump())
    (tmp_path / "out/checkpoints/checkpoint_epoch_00001.pyth").touch()
    again = load("small/moco_cpu", of_list(tmp_path, 100), fitted=fit_to_list).cfg
    assert {key: get_value(again, key) for key in AUTO_KEYS} == {key: get_value(first, key) for key in AUTO_KEYS}


def test_without_a_folder_the_missing_key_is_named():
    with pytest.raises(ConfigError, match=r"DATA\.PATH_TO_DATA_DIR names no folder"):
        load("small/simclr_cpu", fitted=fit_to_list)


def test_a_key_without_rules_is_never_auto():
    with pytest.raises(ConfigError, match=r"SOLVER\.BASE_LR"):
        load_cfg("small/simclr_cpu", ["SOLVER.BASE_LR", "auto"], videos=256)


@pytest.mark.parametrize(
    ("recipe", "videos", "batch"), [("moco_8gpu", 17, 16), ("simclr_1gpu", 3, 2), ("swav_cpu", 5, 4)]
)
def test_a_short_list_gets_the_two_videos_a_process_that_batch_norm_needs(recipe, videos, batch):
    assert load_cfg(f"small/{recipe}", videos=videos).TRAIN.BATCH_SIZE == batch


@pytest.mark.parametrize(
    ("recipe", "videos", "fewest"), [("moco_8gpu", 9, 16), ("simclr_cpu", 3, 4), ("byol_1gpu", 1, 2)]
)
def test_a_list_that_is_too_short_is_told_with_a_length_that_will_do(tmp_path, recipe, videos, fewest, capfd):
    command = ["run", "--cfg", f"small/{recipe}", "--dry-run", *of_list(tmp_path, videos)]
    assert main([str(word) for word in command]) == 2
    said = capfd.readouterr().err
    assert f"{'1 video' if videos == 1 else f'{videos} videos'}, fewer than the {fewest} of one step" in said
    assert f"a list of {fewest} videos or more" in said
    assert load_cfg(f"small/{recipe}", videos=fewest).TRAIN.BATCH_SIZE == fewest


@pytest.mark.parametrize("recipe", ["small/byol_cpu", "small/moco_cpu", "pretrain/MoCo_SlowR50_8x8_paper"])
@pytest.mark.parametrize(
    ("key", "value"),
    [("TRAIN.ACCUMULATE_STEPS", 0), ("TRAIN.ACCUMULATE_STEPS", -2), ("NUM_SHARDS", 0), ("SOLVER.MAX_EPOCH", -1)],
)
def test_a_count_out_of_range_is_the_only_thing_said(tmp_path, recipe, key, value):
    words = [*of_list(tmp_path, 100), key, value]
    if recipe.startswith("pretrain"):
        words += ["NUM_GPUS", 0, "CONTRASTIVE.QUEUE_LEN", 64]
    with pytest.raises(ConfigError) as caught:
        make_plan([recipe], words)
    assert [problem.key for problem in caught.value.problems] == [key]


def test_what_is_no_file_is_named_and_not_waited_for(tmp_path):
    words = of_list(tmp_path, 9)
    list_file = tmp_path / "train.csv"
    list_file.unlink()
    os.mkfifo(list_file)
    with pytest.raises(ConfigError, match=re.escape(f"{list_file} is a pipe or device")):
        make_plan(["small/byol_cpu"], words)
    list_file.unlink()
    list_file.mkdir()
    with pytest.raises(ConfigError, match=re.escape(f"{list_file} is a folder")):
        make_plan(["small/byol_cpu"], words)


def test_an_empty_list_is_to_be_filled(tmp_path):
    words = of_list(tmp_path, 0)
    with pytest.raises(ConfigError) as caught:
        make_plan(["small/byol_cpu"], words)
    assert caught.value.problems[0].write == "the path of a video on each line of it"
