"""What is refused before it waits in a queue, by parsing some rows and building the network without its numbers."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from rhovideo.checks import network
from rhovideo.checks.network import Rehearsal
from rhovideo.config.findings import ConfigError, Finding
from rhovideo.config.reading import load_cfg
from rhovideo.config.registries import BACKBONES
from rhovideo.launch.plan import check_each, make_plan
from tests.configured_runs import METHOD_KEYS


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Lists of files that are there, empty ones: nothing is decoded."""
    for number in range(20):
        (tmp_path / f"{number}.mp4").touch()
    for split in ("train", "val", "test"):
        _write(tmp_path, split, [f"{number}.mp4 {number % 3}" for number in range(20)] * 4)
    return tmp_path


def _write(folder: Path, split: str, lines: list[str]) -> None:
    (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")


def _rehearse(folder: Path, task: str = "linear", *overrides: object) -> list[Finding]:
    words = ["TASK", task, "NUM_GPUS", 0, "TRAIN.BATCH_SIZE", 1, "DATA.PATH_TO_DATA_DIR", folder, *overrides]
    cfg = load_cfg(None, words)
    return Rehearsal()(cfg)


@pytest.mark.parametrize("task", ["pretrain", "finetune"])
@pytest.mark.parametrize("arch", list(BACKBONES))
def test_every_architecture_passes_at_full_size_in_seconds(videos, arch, task):
    start = time.monotonic()
    # MViT's default needs more frames than it has patches in time, and knows one size of crops.
    words = ["DATA.NUM_FRAMES", 16, "DATA.TEST_CROP_SIZE", 224]
    assert _rehearse(videos, task, "MODEL.ARCH", arch, *words) == []
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("kind", METHOD_KEYS)
@pytest.mark.parametrize("norm", ["batchnorm", "sync_batchnorm"])
def test_every_method_passes_also_for_several_machines(videos, kind, norm):
    overrides = ["NUM_SHARDS", 2, "NUM_CPU_PROCESSES", 2, "BN.NUM_SYNC_DEVICES", 2, "BN.NORM_TYPE", norm]
    # The queue holds whole batches.
    methods = [*METHOD_KEYS[kind], "CONTRASTIVE.TYPE", kind, "TRAIN.BATCH_SIZE", 16, "CONTRASTIVE.SWAV_QEUE_LEN", 32]
    assert _rehearse(videos, "pretrain", *overrides, *methods) == []


def test_a_network_that_cannot_be_built_is_refused_with_its_key(videos):
    # 8 frames are no whole number of patches of 3.
    words = ["MODEL.ARCH", "mvit", "DATA.TEST_CROP_SIZE", 224, "MVIT.PATCH_STRIDE", "[3, 4, 4]"]
    findings = _rehearse(videos, "linear", *words)
    [finding] = findings
    assert finding.keys[0] == "DATA.NUM_FRAMES"
    assert "MODEL.ARCH mvit cannot be built" in finding.wrong
    assert "MVIT.PATCH_STRIDE" in finding.wrong


def test_videos_that_are_elsewhere_are_refused_with_the_first_line_that_names_one(videos):
    _write(videos, "val", ["", "elsewhere/1.mp4 0", "elsewhere/2.mp4 1"])
    [finding] = _rehearse(videos)
    assert finding.keys[0] == "DATA.PATH_PREFIX"
    assert f"{videos}/val.csv, line 2: {videos}/elsewhere/1.mp4 is not there" in finding.wrong


def test_relative_paths_start_from_the_prefix(videos, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    assert _rehearse(videos, "linear", "DATA.PATH_PREFIX", videos) == []
    assert len(_rehearse(videos, "linear", "DATA.PATH_PREFIX", other)) == 3


def test_absolute_paths_that_are_elsewhere_blame_the_list(videos):
    _write(videos, "train", [f"/elsewhere/{number}.mp4 0" for number in range(20)])
    [finding] = _rehearse(videos)
    assert finding.keys == ("DATA.PATH_TO_DATA_DIR",)
    assert re.search(r"/elsewhere/0.mp4 is not there, nor are 15 of the 15 others", finding.wrong)


def test_a_few_missing_videos_are_left_to_the_training(videos):
    (videos / "0.mp4").unlink()
    (videos / "7.mp4").unlink()
    assert _rehearse(videos) == []


@pytest.mark.parametrize(
    ("lines", "key", "said"),
    [
        (["0.mp4,0", "1.mp4,1"], "DATA.PATH_LABEL_SEPARATOR", r"train.csv, line 1: no ' ' between path and label"),
        (["0.mp4 0", "1.mp4"], "DATA.PATH_TO_DATA_DIR", r"train.csv, line 2: .* has no label"),
        (["0.mp4", "1.mp4"], "DATA.PATH_TO_DATA_DIR", r"train.csv has no labels, which TASK linear needs"),
        (["0.mp4 0", "1.mp4 400"], "MODEL.NUM_CLASSES", r"label 400, but MODEL.NUM_CLASSES is 400"),
        ([""], "DATA.PATH_TO_DATA_DIR", r"train.csv lists no video"),
    ],
)
def test_rows_that_training_would_refuse_are_refused(videos, lines, key, said):
    _write(videos, "train", lines)
    [finding] = _rehearse(videos)
    assert finding.keys[0] == key
    assert re.search(said, finding.wrong)


def test_only_the_first_rows_of_a_long_list_are_read(videos):
    _write(videos, "train", ["0.mp4 0"] * 100_000 + ["a row without a label"])
    assert _rehearse(videos) == []


@pytest.mark.parametrize(("rows", "batch", "told"), [(20, 20, False), (20, 21, True), (9_000, 8_500, False)])
def test_a_batch_that_the_list_does_not_fill_is_refused(videos, rows, batch, told):
    _write(videos, "train", ["0.mp4 0"] * rows)
    findings = _rehearse(videos, "finetune", "TRAIN.BATCH_SIZE", batch)
    assert [finding.keys[0] for finding in findings] == ["TRAIN.BATCH_SIZE"] * told
    if told:
        assert f"lists {rows} videos, fewer than the {batch} of one step" in findings[0].wrong
        assert findings[0].write == f"{rows} or less"
    assert _rehearse(videos, "knn", "TRAIN.BATCH_SIZE", 10_000, "TEST.CHECKPOINT_FILE_PATH", "x.pyth") == []


@pytest.mark.parametrize(
    ("machines", "processes", "write"),
    [
        (2, 3, "9 or less"),
        (3, 4, "4 or less"),
        (8, 4, "a list of 32 videos or more, or ask for fewer machines or processes"),
    ],
)
def test_a_smaller_batch_that_is_proposed_can_be_shared(videos, machines, processes, write):
    _write(videos, "train", ["0.mp4 0"] * 20)
    [finding] = _rehearse(
        videos, "finetune", "TRAIN.BATCH_SIZE", 24, "NUM_SHARDS", machines, "NUM_CPU_PROCESSES", processes
    )
    assert finding.write == write


@pytest.fixture
def built(monkeypatch) -> list[str]:
    """The tasks whose networks were built, in order."""
    tasks: list[str] = []

    def count(build):
        return lambda cfg: tasks.append(cfg.TASK) or build(cfg)

    for name in ("build_method", "build_classifier"):
        monkeypatch.setattr(network, name, count(getattr(network, name)))
    return tasks


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        # Keys that shape no network, such as a rate; a classifier is the same after any method.
        ("SOLVER.BASE_LR=0.1,0.2 RNG_SEED=1,2", ["pretrain", "linear"]),
        ("CONTRASTIVE.TYPE=moco,simclr", ["pretrain", "linear", "pretrain"]),
        ("RESNET.WIDTH_PER_GROUP=4,8", ["pretrain", "linear"] * 2),
    ],
)
def test_cells_share_what_they_have_in_common(jobs_folder, videos, built, sweep, expected):
    plan = make_plan(["pretrain.yaml", "linear.yaml"], [], sweep, "s")
    check_each(plan, Rehearsal())
    assert built == expected


def test_the_cell_whose_value_cannot_be_built_is_named(jobs_folder, videos):
    words = ["MODEL.ARCH", "mvit", "DATA.NUM_FRAMES", 16, "DATA.TEST_CROP_SIZE", 224]
    plan = make_plan(["linear.yaml"], words, "MVIT.PATCH_STRIDE=[2,4,4],[3,4,4]", "s")
    with pytest.raises(ConfigError) as error:
        check_each(plan, Rehearsal())
    [problem] = error.value.problems
    assert problem.wrong.endswith("(in PATCH_STRIDE=3_4_4)")
