from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from rhovideo.cli import main
from rhovideo.monitor.tables import Table
from rhovideo.runs.lineage import lineage
from tests.configured_runs import ROOT
from tests.launch.run_folders import configure, finish, started, study, submit

CHAIN = ("pretrain", "linear", "knn")
MOCO = str(ROOT / "configs/pretrain/MoCo_SlowR50_8x8.yaml")
LINEAR = str(ROOT / "configs/linear/K400_linear_SlowR50_8x8.yaml")


def checkpoint(run: Path) -> str:
    return str(run / "checkpoints/checkpoint_epoch_00200.pyth")


@pytest.fixture
def sweep(tmp_path) -> Path:
    """Two cells of pretrain -> linear -> knn; the second one has only finished its pre-training."""
    folder = tmp_path / "rho"
    keys = ("CONTRASTIVE.TYPE", "DATA.TRAIN_CROP_NUM_TEMPORAL")
    cells = {f"TYPE=moco,RHO={rho}": dict(zip(keys, ("moco", rho), strict=True)) for rho in ("4", "3")}
    study(folder, cells, list(CHAIN))
    for rho, name in zip((4, 3), cells, strict=True):
        pretrain = folder / name / "pretrain"
        configure(pretrain, "pretrain", "DATA.TRAIN_CROP_NUM_TEMPORAL", rho, config=MOCO)
        finish(pretrain, "pretrain", knn_top1=40.0 + rho)
    first = folder / "TYPE=moco,RHO=4"
    configure(first / "linear", "linear", "TRAIN.CHECKPOINT_FILE_PATH", checkpoint(first / "pretrain"), config=LINEAR)
    finish(first / "linear", "linear", top1=60.0, top5=80.0, test_top1=65.4321, test_top5=86.0, test_videos=100)
    configure(first / "knn", "knn", "TEST.CHECKPOINT_FILE_PATH", checkpoint(first / "pretrain"))
    finish(first / "knn", "knn", knn_top1=51.0, recall_at_1=33.3333, recall_at_5=50.0)
    second = folder / "TYPE=moco,RHO=3"
    configure(second / "linear", "linear", "TRAIN.CHECKPOINT_FILE_PATH", checkpoint(second / "pretrain"), config=LINEAR)
    return folder


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_a_cell_with_the_numbers_of_its_chain_and_the_papers_beside_them(sweep, capsys):
    assert main(["results", str(sweep), "--format", "csv"]) == 0
    first, second = rows(capsys.readouterr().out)
    assert first == {
        "CONTRASTIVE.TYPE": "moco",
        "DATA.TRAIN_CROP_NUM_TEMPORAL": "4",
        "pretrain knn top1": "44",
        "linear top1": "65.4321",
        "linear top5": "86",
        "linear paper": "71",
        "knn top1": "51",
        "knn recall@1": "33.3333",
    }
    # The paper has nothing for rho 3; what has not finished says what it does.
    assert second["pretrain knn top1"] == "43"
    assert (second["linear top1"], second["linear top5"]) == ("ended without a word", "")
    assert second["linear paper"] == ""
    assert second["knn top1"] == "not started"


def test_text_is_aligned_and_says_where_the_papers_figures_stand(sweep, capsys):
    main(["results", str(sweep)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.rindex("33.33") + 5 for line in lines if "33.33" in line] == [len(lines[0])]
    assert lines[1].split() == ["moco", "4", "44.00", "65.43", "86.00", "71", "51.00", "33.33"]
    assert "K400 linear of the released checkpoints" in lines[-1]


def test_markdown_and_csv_go_into_a_file_by_its_name(sweep, tmp_path, capsys):
    assert main(["results", str(sweep), "--out", str(tmp_path / "t.md")]) == 0
    assert main(["results", str(sweep), "--out", str(tmp_path / "t.csv")]) == 0
    assert capsys.readouterr().out == ""
    markdown = (tmp_path / "t.md").read_text().splitlines()
    assert markdown[0].startswith("| TYPE | TRAIN_CROP_NUM_TEMPORAL | pretrain knn top1 |")
    assert markdown[1].startswith("| --- | --- | ---: |")
    assert markdown[2].startswith("| moco | 4 | 44.00 | 65.43 |")
    data = (tmp_path / "t.csv").read_bytes()
    assert data.count(b"\r\n") == 3
    assert len(rows(data.decode())) == 2
    assert main(["results", str(sweep), "--out", str(tmp_path / "no/t.csv")]) == 2
    assert "--out" in capsys.readouterr().err


def test_jobs_on_slurm_show_what_has_become_of_them(tmp_path, slurm, capsys):
    folder = tmp_path / "study"
    study(folder, {"LR=1": {"SOLVER.BASE_LR": "1"}, "LR=2": {"SOLVER.BASE_LR": "2"}}, ["moco", "linear"])
    for number, cell in enumerate(("LR=1", "LR=2")):
        submit(folder / cell / "moco", f"17_{number}")
        submit(folder / cell / "linear", f"18_{number}", "linear", depends_on=f"17_{number}")
    started(folder / "LR=1/moco", "17_0")
    slurm.say("squeue", "17_0|RUNNING|node0|None\n17_1|FAILED|node0|NonZeroExitCode\n18_0|PENDING||Dependency\n")
    main(["results", str(folder), "--format", "csv"])
    first, second = rows(capsys.readouterr().out)
    assert list(first.values()) == ["1", "running", "waiting", ""]
    assert list(second.values()) == ["2", "failed", "cancelled", ""]


def test_old_results_of_a_job_that_runs_again_are_not_shown(tmp_path, slurm, capsys):
    run = tmp_path / "moco"
    configure(run, "pretrain")
    finish(run, "pretrain", knn_top1=50.0)
    submit(run, "21")
    started(run, "21")
    slurm.say("squeue", "21|RUNNING|node0|None\n")
    main(["results", str(run), "--format", "csv"])
    assert list(rows(capsys.readouterr().out)[0].values()) == ["moco", "running"]


def test_a_single_run_brings_along_the_runs_that_its_weights_come_from(tmp_path, capsys, monkeypatch):
    # Started with relative paths, looked at from elsewhere.
    started_in = tmp_path / "work"
    started_in.mkdir()
    monkeypatch.chdir(started_in)
    configure(Path("outputs/moco"), "pretrain", config=MOCO)
    finish(Path("outputs/moco"), "pretrain", knn_top1=50.0)
    configure(
        Path("outputs/linear"), "linear", "TRAIN.CHECKPOINT_FILE_PATH", checkpoint(Path("outputs/moco")), config=LINEAR
    )
    finish(Path("outputs/linear"), "linear", test_top1=65.0, test_top5=80.0)
    configure(
        Path("outputs/test"), "test", "TEST.CHECKPOINT_FILE_PATH", checkpoint(Path("outputs/linear")), config=LINEAR
    )
    finish(Path("outputs/test"), "test", test_top1=66.0, test_top5=81.0)
    monkeypatch.chdir("/")
    runs = lineage(started_in / "outputs/test")
    assert [run.name for run in runs] == ["moco", "linear", "test"]
    main(["results", str(started_in / "outputs/test"), "--format", "csv"])
    row = rows(capsys.readouterr().out)[0]
    assert (row["moco knn top1"], row["linear top1"], row["test top1"]) == ("50", "65", "66")
    assert (row["linear paper"], row["test paper"]) == ("71", "71")


def test_no_figure_beside_a_classifier_of_another_global_batch(sweep, capsys):
    first = sweep / "TYPE=moco,RHO=4"
    source = checkpoint(first / "pretrain")
    configure(first / "linear", "linear", "TRAIN.CHECKPOINT_FILE_PATH", source, "NUM_SHARDS", 2, config=LINEAR)
    finish(first / "linear", "linear", test_top1=65.0, test_top5=86.0)
    main(["results", str(first / "linear"), "--format", "csv"])
    row = rows(capsys.readouterr().out)[0]
    assert row["linear top1"] == "65"
    assert "linear paper" not in row


def test_keys_whose_last_part_is_the_same_are_told_apart(tmp_path, capsys):
    folder = tmp_path / "study"
    study(folder, {"a": {"SOLVER.MOMENTUM": "0.9", "CONTRASTIVE.MOMENTUM": "0.99", "RNG_SEED": "1"}}, ["moco"])
    main(["results", str(folder)])
    heading = capsys.readouterr().out.splitlines()[0]
    assert heading.split() == ["SOLVER.MOMENTUM", "CONTRASTIVE.MOMENTUM", "RNG_SEED", "moco"]


def test_csv_quotes_what_would_break_it():
    table = Table(["a", "b"], [["[1, 2]", 'say "x"'], ["", "line\nend"]])
    assert table.render("csv") == 'a,b\r\n"[1, 2]","say ""x"""\r\n,"line\nend"\r\n'
    assert "| \\|x\\| |" in Table(["a"], [["|x|"]]).render("markdown")


def evaluation(folder: Path, **told: object) -> None:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("TASK: knn\n")
    (folder / "eval.json").write_text(json.dumps({"encoder": "online", "metric": "knn_top1", **told}))


def test_evaluations_are_told_apart_by_run_data_and_settings(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = "checkpoints/checkpoint_epoch_00010.pyth"
    common = {"protocol": "linear", "value": 50.0, "data": str(tmp_path / "data/mine")}
    evaluation(Path("eval/a"), checkpoint=f"try/moco/{file}", file=str(tmp_path / "try/moco" / file), **common)
    changed = {"SOLVER.MAX_EPOCH": 2, "SOLVER.WARMUP_EPOCHS": 0.0, "SOLVER.LRS": [1, 2], "RNG_SEED": 1}
    other = {"file": f"/elsewhere/moco/{file}", "dataset": "UCF101", "changed": changed}
    evaluation(Path("eval/b"), checkpoint=f"../elsewhere/moco/{file}", **common, **other)
    main(["results", "eval", "--format", "csv"])
    first, second = rows(capsys.readouterr().out)
    assert [row["checkpoint"] for row in (first, second)] == [f"try/moco/{file}", f"/elsewhere/moco/{file}"]
    assert [row["data"] for row in (first, second)] == ["data/mine", "UCF101 in data/mine"]
    words = "SOLVER.MAX_EPOCH 2, SOLVER.WARMUP_EPOCHS 0.0, SOLVER.LRS [1, 2], "
    assert [row["settings changed"] for row in (first, second)] == ["", words + "RNG_SEED 1"]
    main(["results", "eval"])
    assert words + "1 more" in capsys.readouterr().out


def test_a_folder_of_evaluations_is_a_row_for_each(tmp_path, capsys):
    folder = tmp_path / "eval"
    evaluation(
        folder / "b", name="byol_slow_r50_8x8_rho4", protocol="linear", dataset="K400", value=69.5, released=70.1
    )
    evaluation(folder / "a", checkpoint="outs/mine.pyth", protocol="knn", data="data/mine", value=41.256, released=None)
    (folder / "damaged").mkdir()
    (folder / "damaged/eval.json").write_text("{")
    assert main(["results", str(folder), "--format", "csv"]) == 0
    first, second = rows(capsys.readouterr().out)
    assert (first["evaluation"], first["checkpoint"], first["%"], first["released"]) == (
        "a",
        "outs/mine.pyth",
        "41.256",
        "",
    )
    assert (second["data"], second["%"], second["released"]) == ("K400", "69.5", "70.1")
    assert main(["status", str(folder)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == ["run", "a", "b"]
    # To cancel all runs of a folder is nothing that anybody says by the way.
    assert main(["cancel", str(folder)]) == 2


def test_a_folder_of_runs_and_studies_some_levels_deep_has_a_row_for_each_run(sweep, tmp_path, capsys):
    run = tmp_path / "mine/today/moco"
    configure(run, "pretrain")
    finish(run, "pretrain", knn_top1=50.0)
    assert main(["results", str(tmp_path), "--format", "csv"]) == 0
    rows = {row["run"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert (rows["mine/today/moco"]["measure"], rows["mine/today/moco"]["%"]) == ("knn top1", "50")
    assert rows["rho/TYPE=moco,RHO=4/knn"]["state"] == "finished"
    assert main(["status", str(tmp_path), "--json"]) == 0
    assert {run["run"] for run in json.loads(capsys.readouterr().out)["runs"]} == set(rows)
