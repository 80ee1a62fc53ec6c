"""The names of classes travel with a classifier, and lists that number the classes in another way are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from rhovideo.cli import main
from rhovideo.data.lists.classes.class_names import read_class_names, write_class_names
from rhovideo.zoo import export
from tests.configured_runs import write_config


@pytest.fixture(scope="module")
def trained(synthetic_set, tmp_path_factory) -> Path:
    """The run folder of a linear classifier of one epoch, and the configurations of its chain."""
    folder = tmp_path_factory.mktemp("trained")
    for task in ("linear", "test"):
        write_config(folder / f"{task}.yaml", folder / task, task)
    assert _run(folder / "linear.yaml", synthetic_set) == 0
    return folder / "linear"


def _run(config: Path, data: Path, *words: object) -> int:
    keys = ["DATA.PATH_TO_DATA_DIR", data, "MODEL.NUM_CLASSES", 3, "SOLVER.MAX_EPOCH", 1]
    return main([str(word) for word in ["run", "--cfg", config, *keys, *words]])


def _checkpoint(run: Path) -> Path:
    return run / "checkpoints/checkpoint_epoch_00001.pyth"


@pytest.fixture
def shifted(synthetic_set, tmp_path) -> Path:
    """The test list of a folder that lacks the first class: the labels of the others are one less."""
    names = read_class_names(synthetic_set)
    folder = tmp_path / "shifted"
    folder.mkdir()
    rows = [line.rsplit(" ", 1) for line in (synthetic_set / "test.csv").read_text().splitlines()]
    kept = [f"{synthetic_set / path} {int(label) - 1}\n" for path, label in rows if label != "0"]
    for split in ("train", "val", "test"):
        (folder / f"{split}.csv").write_text("".join(kept))
    write_class_names(folder, names[1:])
    return folder


def test_names_are_in_the_checkpoint_the_run_folder_and_the_export(trained, synthetic_set, tmp_path):
    names = read_class_names(synthetic_set)
    assert len(names) == 3
    assert read_class_names(trained) == names
    assert torch.load(_checkpoint(trained), weights_only=True)["class_names"] == names
    export(_checkpoint(trained), tmp_path / "out.pyth")
    assert torch.load(tmp_path / "out.pyth", weights_only=True)["class_names"] == names


@pytest.mark.parametrize("exported", [False, True])
def test_eval_refuses_lists_with_other_numbers_and_shows_them(
    trained, synthetic_set, shifted, tmp_path, capsys, exported
):
    source = _checkpoint(trained)
    if exported:
        source = tmp_path / "exported.pyth"
        export(_checkpoint(trained), source)
    words = ["eval", source, "--protocol", "test", "--out", tmp_path / "out", "NUM_GPUS", 0]
    names = read_class_names(synthetic_set)
    assert main([str(word) for word in [*words, "--data", shifted]]) == 2
    told = capsys.readouterr().err
    assert "--data" in told
    assert f"0  {names[0]}" in told
    assert [line.split() for line in told.splitlines() if line.split()[:1] == ["1"]] == [["1", names[1], names[2]]]
    assert not (tmp_path / "out").exists()
    assert main([str(word) for word in [*words, "--data", synthetic_set]]) == 0


def test_a_test_run_refuses_them_before_it_starts(trained, synthetic_set, shifted, tmp_path, capsys):
    test = trained.parent / "test.yaml"
    out = ["OUTPUT_DIR", tmp_path / "out"]
    assert _run(test, shifted, *out, "TEST.CHECKPOINT_FILE_PATH", _checkpoint(trained)) == 2
    assert "so labels do not mean the same" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    # A copy outside of the run folder: only the file itself has the names.
    copy = shutil.copy(_checkpoint(trained), tmp_path / "copy.pyth")
    assert _run(test, shifted, *out, "TEST.CHECKPOINT_FILE_PATH", copy) == 2
    assert "so labels do not mean the same" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_chain_refuses_them_before_anything_is_trained(trained, synthetic_set, shifted, tmp_path, capsys):
    configs = []
    for task, data in (("linear", synthetic_set), ("test", shifted)):
        configs.append(tmp_path / f"{task}.yaml")
        text = (
            (trained.parent / f"{task}.yaml")
            .read_text()
            .replace(f"OUTPUT_DIR: {trained.parent}", f"OUTPUT_DIR: {tmp_path}/out")
        )
        configs[-1].write_text(text.replace("DATA: {", f"DATA: {{PATH_TO_DATA_DIR: {data}, "))
    words = ["run", "--cfg", *configs, "MODEL.NUM_CLASSES", 3]
    assert main([str(word) for word in words]) == 2
    assert "so labels do not mean the same" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_training_does_not_go_on_with_other_numbers(trained, synthetic_set, tmp_path, capsys):
    run, lists = tmp_path / "linear", tmp_path / "lists"
    shutil.copytree(trained, run)
    lists.mkdir()
    for split in ("train", "val", "test"):
        rows = (synthetic_set / f"{split}.csv").read_text().splitlines()
        (lists / f"{split}.csv").write_text("".join(f"{synthetic_set}/{row}\n" for row in rows))
    write_class_names(lists, read_class_names(synthetic_set)[::-1])
    words = ["OUTPUT_DIR", run, "SOLVER.MAX_EPOCH", 2]
    assert _run(trained.parent / "linear.yaml", lists, *words) == 2
    assert "so labels do not mean the same" in capsys.readouterr().err
    assert read_class_names(run) == read_class_names(synthetic_set)


def test_a_side_without_names_is_measured_and_said(trained, synthetic_set, tmp_path):
    content = torch.load(_checkpoint(trained), weights_only=True)
    del content["class_names"]
    torch.save(content, tmp_path / "old.pyth")
    assert (
        _run(
            trained.parent / "test.yaml",
            synthetic_set,
            "OUTPUT_DIR",
            tmp_path / "out",
            "TEST.CHECKPOINT_FILE_PATH",
            tmp_path / "old.pyth",
        )
        == 0
    )
    assert "old.pyth does not name its classes" in (tmp_path / "out/stdout.log").read_text()
