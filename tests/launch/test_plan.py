"""Sweeps and studies: which cells there are, where they write, and what is refused before anything runs."""

from __future__ import annotations

import json

import pytest

from rhovideo.cli import main
from rhovideo.config import ConfigError
from rhovideo.errors import JobError
from rhovideo.launch.before_start import Start, check_before_start
from rhovideo.launch.plan import make_plan, write_study_record
from rhovideo.launch.sweep import parse_sweep


def plan(sweep, *overrides, configs=("pretrain.yaml",), study="s"):
    made = make_plan(list(configs), overrides, sweep, study)
    check_before_start(Start(made, "local"), without=["lists", "the network", "this machine"])
    return made


def problems_of(sweep, *overrides, **where):
    with pytest.raises(ConfigError) as error:
        plan(sweep, *overrides, **where)
    return error.value.problems


def test_cells_are_the_product_and_each_is_a_chain_of_its_own(jobs_folder):
    made = plan(
        "CONTRASTIVE.TYPE=moco,simclr DATA.TRAIN_CROP_NUM_TEMPORAL=2,3", configs=["pretrain.yaml", "linear.yaml"]
    )
    assert [cell.name for cell in made.cells] == [
        "TYPE=moco,TRAIN_CROP_NUM_TEMPORAL=2",
        "TYPE=moco,TRAIN_CROP_NUM_TEMPORAL=3",
        "TYPE=simclr,TRAIN_CROP_NUM_TEMPORAL=2",
        "TYPE=simclr,TRAIN_CROP_NUM_TEMPORAL=3",
    ]
    last = made.cells[-1]
    assert last.values == {"CONTRASTIVE.TYPE": "simclr", "DATA.TRAIN_CROP_NUM_TEMPORAL": "3"}
    assert [job.cfg.OUTPUT_DIR for job in last.jobs] == [f"s/{last.name}/pretrain", f"s/{last.name}/linear"]
    for job in last.jobs:
        assert (job.cfg.CONTRASTIVE.TYPE, job.cfg.DATA.TRAIN_CROP_NUM_TEMPORAL) == ("simclr", 3)
    assert made.sweep == {"CONTRASTIVE.TYPE": ["moco", "simclr"], "DATA.TRAIN_CROP_NUM_TEMPORAL": ["2", "3"]}


def test_study_without_a_sweep_is_one_cell(jobs_folder):
    made = plan(None, configs=["pretrain.yaml", "linear.yaml"])
    assert [(cell.name, cell.values) for cell in made.cells] == [("", {})]
    assert [job.cfg.OUTPUT_DIR for job in made.jobs] == ["s/pretrain", "s/linear"]


def test_without_a_study_every_job_keeps_its_folder(jobs_folder):
    assert [job.cfg.OUTPUT_DIR for job in plan(None, study=None).jobs] == ["out/pretrain"]


@pytest.mark.parametrize(
    ("text", "sweep"),
    [
        ("SOLVER.BASE_LR=1e-1,0.2", {"SOLVER.BASE_LR": ["1e-1", "0.2"]}),
        ("SOLVER.LRS=[1,0.1],[1, 0.5]", {"SOLVER.LRS": ["[1,0.1]", "[1, 0.5]"]}),
        ("SOLVER.BETAS=(0.9,0.99),(0.9,0.999)", {"SOLVER.BETAS": ["(0.9,0.99)", "(0.9,0.999)"]}),
        ("DATA.PATH_PREFIX='a b','c,d' RNG_SEED=1", {"DATA.PATH_PREFIX": ["a b", "c,d"], "RNG_SEED": ["1"]}),
        ('DATA.PATH_PREFIX="x=[",y', {"DATA.PATH_PREFIX": ["x=[", "y"]}),
        ("DATA.PATH_PREFIX='',a", {"DATA.PATH_PREFIX": ["", "a"]}),
        (" RNG_SEED=1,2 \n SOLVER.MAX_EPOCH=3 ", {"RNG_SEED": ["1", "2"], "SOLVER.MAX_EPOCH": ["3"]}),
        ("CONTRASTIVE.DELTA_CLIPS_MIN=-inf,0", {"CONTRASTIVE.DELTA_CLIPS_MIN": ["-inf", "0"]}),
    ],
)
def test_commas_and_blanks_split_outside_of_quotes_and_brackets(text, sweep):
    assert parse_sweep(text) == sweep


@pytest.mark.parametrize(
    ("sweep", "key", "wrong", "write"),
    [
        ("CONTRASTIVE.TYP=moco,byol", "CONTRASTIVE.TYP", "no such key", "CONTRASTIVE.TYPE, which"),
        ("AUG.NUM_SAMPLE=1,2", "AUG.NUM_SAMPLE", "PySlowFast's", "another key"),
        ("SOLVER=1,2", "SOLVER", "no such key", ""),
        ("RNG_SEED=1,,2", "RNG_SEED", "an empty value", "RNG_SEED=1,2"),
        ("RNG_SEED=", "RNG_SEED", "an empty value", "RNG_SEED=VALUE,VALUE"),
        ("RNG_SEED=1,2,1", "RNG_SEED", "1 is given twice", "RNG_SEED=1,2"),
        ("SOLVER.BASE_LR=0.1,1e-1", "SOLVER.BASE_LR", "1e-1 is given twice", ""),
        ("RNG_SEED=1 RNG_SEED=2", "RNG_SEED", "given twice", "RNG_SEED=1,2"),
        ("RNG_SEED=1, 2", "", "'2' is not KEY=VALUE", "no space after a comma"),
        ("RNG_SEED 1,2", "", "'RNG_SEED' is not KEY=VALUE", "no space after a comma"),
        ("SOLVER.LRS=[1,2", "", "a closing ] is missing", ""),
        (" ", "", "is empty", '"KEY=VALUE'),
        ("OUTPUT_DIR=a,b", "OUTPUT_DIR", "its own folder", "--study FOLDER"),
        ("NUM_SHARDS=1,2", "NUM_SHARDS", "the same machines", "NUM_SHARDS VALUE without"),
        ("NUM_GPUS=1,2", "NUM_GPUS", "the same machines", ""),
        ("SLURM.PARTITION=a,b", "SLURM.PARTITION", "the same machines", ""),
    ],
)
def test_sweep_that_cannot_be_meant_is_one_problem(sweep, key, wrong, write, jobs_folder):
    problem = problems_of(sweep)[0]
    assert (problem.key, str(problem.origin)) == (key, "--sweep")
    assert wrong in problem.wrong
    assert write in problem.write


@pytest.mark.parametrize(
    ("sweep", "origin", "wrong"),
    [
        ("SOLVER.MAX_EPOCH=3,many", "--sweep SOLVER.MAX_EPOCH=many", "'many' is not a whole number"),
        ("CONTRASTIVE.TYPE=moco,boyl", "--sweep CONTRASTIVE.TYPE=boyl", "there is no 'boyl'"),
        ("TRAIN.BATCH_SIZE=64,0 RNG_SEED=1,2", "--sweep TRAIN.BATCH_SIZE=0", "0 is out of range"),
    ],
)
def test_value_that_does_not_fit_is_named_with_the_sweep(sweep, origin, wrong, jobs_folder):
    (problem,) = problems_of(sweep)
    assert str(problem.origin) == origin
    assert wrong in problem.wrong


def test_problem_of_some_cells_names_them_and_of_all_cells_does_not(jobs_folder):
    words = ["CONTRASTIVE.PREDICTOR_DEPTHS", "[]"]
    (problem,) = problems_of("CONTRASTIVE.TYPE=moco,byol RNG_SEED=1,2", *words)
    assert problem.wrong.endswith("(in TYPE=byol,RNG_SEED=1; TYPE=byol,RNG_SEED=2)")
    (problem,) = problems_of("RNG_SEED=1,2", "SOLVER.WARMUP_EPOCHS", "400")
    assert "RNG_SEED" not in problem.wrong
    (problem,) = problems_of("DATA.PATH_TO_DATA_DIR=.,nowhere")
    assert str(problem.origin) == "--sweep DATA.PATH_TO_DATA_DIR=nowhere"


def test_key_is_swept_or_given(jobs_folder):
    (problem,) = problems_of("RNG_SEED=1,2", "RNG_SEED", "3")
    assert (problem.key, problem.write) == ("RNG_SEED", "RNG_SEED in --sweep alone")


def test_sweep_needs_a_study_and_a_study_decides_the_folders(jobs_folder):
    (problem,) = problems_of("RNG_SEED=1,2", study=None)
    assert problem.write.startswith("--study ")
    (problem,) = problems_of(None, "OUTPUT_DIR", "mine")
    assert (problem.key, str(problem.origin)) == ("OUTPUT_DIR", "--study")
    (jobs_folder / "more").mkdir()
    (jobs_folder / "more/pretrain.yaml").write_text((jobs_folder / "pretrain.yaml").read_text())
    (problem,) = problems_of(None, configs=["pretrain.yaml", "more/pretrain.yaml"])
    assert "pretrain.yaml and more/pretrain.yaml" in problem.wrong


@pytest.mark.parametrize(
    ("sweep", "names"),
    [
        ("TRAIN.BATCH_SIZE=8,16 TEST.BATCH_SIZE=4", ["TRAIN.BATCH_SIZE=8,TEST.BATCH_SIZE=4", None]),
        ("DATA.PATH_PREFIX=/a/b,a.b", ["PATH_PREFIX=a_b", "PATH_PREFIX=a.b"]),
        ("DATA.PATH_PREFIX=/a/b,/a_b", ["PATH_PREFIX=a_b", "PATH_PREFIX=a_b~2"]),
        ("CONTRASTIVE.DELTA_CLIPS_MIN=-inf,8", ["DELTA_CLIPS_MIN=-inf", "DELTA_CLIPS_MIN=8"]),
        ("SOLVER.BETAS=[0.9, 0.99]", ["BETAS=0.9_0.99"]),
        ("DATA.PATH_PREFIX='','..'", ["PATH_PREFIX=", "PATH_PREFIX=.."]),
        (
            f"DATA.PATH_PREFIX={'x' * 300}1,{'x' * 300}2",
            ["PATH_PREFIX=" + "x" * 138, "PATH_PREFIX=" + "x" * 138 + "~2"],
        ),
    ],
)
def test_cells_have_readable_names_fit_for_folders(sweep, names, jobs_folder):
    made = plan(sweep)
    for cell, name in zip(made.cells, names, strict=True):
        assert name in (None, cell.name)
    folders = {job.cfg.OUTPUT_DIR for job in made.jobs}
    assert len(folders) == len(made.cells)


def test_study_is_recorded_and_may_grow(jobs_folder):
    write_study_record(plan("RNG_SEED=1,2", "SLURM.MAX_JOBS", 2))
    record = json.loads((jobs_folder / "s/study.json").read_text())
    created = record.pop("created")
    assert record == {
        "sweep": {"RNG_SEED": ["1", "2"]},
        "cells": [
            {"name": "RNG_SEED=1", "values": {"RNG_SEED": "1"}, "jobs": ["RNG_SEED=1/pretrain"]},
            {"name": "RNG_SEED=2", "values": {"RNG_SEED": "2"}, "jobs": ["RNG_SEED=2/pretrain"]},
        ],
    }
    write_study_record(plan("RNG_SEED=2,3", configs=["pretrain.yaml", "linear.yaml"]))
    grown = json.loads((jobs_folder / "s/study.json").read_text())
    assert grown["sweep"] == {"RNG_SEED": ["1", "2", "3"]}
    assert {cell["name"]: cell["jobs"] for cell in grown["cells"]} == {
        "RNG_SEED=1": ["RNG_SEED=1/pretrain"],
        "RNG_SEED=2": ["RNG_SEED=2/pretrain", "RNG_SEED=2/linear"],
        "RNG_SEED=3": ["RNG_SEED=3/pretrain", "RNG_SEED=3/linear"],
    }
    assert grown["created"] == created


def test_failed_cell_does_not_stop_the_others(jobs_folder, synthetic_set, capfd):
    """Two real cells: the videos of the first one's list are there and hold nothing, which only its job finds out."""
    tiny = "NUM_FRAMES: 2, SAMPLING_RATE: 4, TRAIN_CROP_SIZE: 32, TEST_CROP_SIZE: 32, TRAIN_JITTER_SCALES: [36, 44]"
    (jobs_folder / "base.yaml").write_text(
        f"NUM_GPUS: 0\nDATA: {{{tiny}}}\nRESNET: {{WIDTH_PER_GROUP: 4}}\nDATA_LOADER: {{NUM_WORKERS: 0}}\n"
        "TRAIN: {BATCH_SIZE: 8}\nTEST: {BATCH_SIZE: 8, NUM_ENSEMBLE_VIEWS: 1, NUM_SPATIAL_CROPS: 1}\n"
        "SOLVER: {MAX_EPOCH: 1, WARMUP_START_LR: 0.001, BASE_LR: 0.001}\nMODEL: {NUM_CLASSES: 3}\nKNN: {K: 5}\n"
    )
    for task in ("finetune", "test"):
        (jobs_folder / f"{task}.yaml").write_text(f"_BASE_: base.yaml\nTASK: {task}\n")
    words = ["--sweep", f"DATA.PATH_TO_DATA_DIR=.,{synthetic_set}", "--study", "s"]
    assert main(["run", "--cfg", "finetune.yaml", "test.yaml", *words]) == 1
    shown = capfd.readouterr().err
    assert "1 of 2 cells failed:\n  PATH_TO_DATA_DIR=.: finetune.yaml failed; not run: test.yaml" in shown
    cells = json.loads((jobs_folder / "s/study.json").read_text())["cells"]
    done = [[(jobs_folder / "s" / job / "results.json").exists() for job in cell["jobs"]] for cell in cells]
    assert done == [[False, False], [True, True]]


def test_a_cell_is_not_taken_for_another_of_the_same_name(jobs_folder):
    write_study_record(plan("DATA.PATH_PREFIX=a/b,a_b"))
    write_study_record(plan("DATA.PATH_PREFIX=a/b,a_b"))
    with pytest.raises(JobError, match=r"belongs to the cell of DATA.PATH_PREFIX=a/b, whose name is the same"):
        write_study_record(plan("DATA.PATH_PREFIX=a_b"))


def test_a_sweep_without_an_end_is_refused_at_once(jobs_folder):
    values = ",".join(map(str, range(1, 1001)))
    with pytest.raises(ConfigError, match="has 1000000 cells"):
        plan(f"RNG_SEED={values} CONTRASTIVE.QUEUE_LEN={values}")
