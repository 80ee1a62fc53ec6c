"""``rhovideo eval`` as a person types it, on released checkpoints in miniature and real videos."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rhovideo.cli import main

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests/reference"
MOCO = str(REFERENCE / "moco_tiny_epoch_00200.pyth")
CPU = ["NUM_GPUS", "0", "DATA_LOADER.NUM_WORKERS", "0"]
QUICK = [
    *CPU,
    *("SOLVER.MAX_EPOCH", "1", "SOLVER.WARMUP_EPOCHS", "0.5", "TRAIN.BATCH_SIZE", "8"),
    *("TEST.NUM_ENSEMBLE_VIEWS", "2", "TEST.NUM_SPATIAL_CROPS", "1"),
]


def evaluate(source, data, protocol, out, *words) -> int:
    command = ["eval", source, "--data", data, "--protocol", protocol, "--out", out, *words]
    return main([str(word) for word in command])


def told(out: Path) -> dict:
    return json.loads((out / "eval.json").read_text())


def without_torch(*words):
    code = "import sys; sys.modules['torch'] = None; from rhovideo.cli import main; sys.exit(main(sys.argv[1:]))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], env=environment, capture_output=True, text=True
    )


def test_nearest_neighbours_of_a_released_file(synthetic_set, tmp_path, capsys):
    out = tmp_path / "out"
    assert evaluate(MOCO, synthetic_set, "knn", out, *CPU, "KNN.NUM_CLIPS", "2") == 0
    shown = capsys.readouterr().out
    found = told(out)
    assert f"k-NN top-1 {found['value']:6.2f} %" in shown
    assert (found["metric"], found["released"], found["encoder"]) == ("knn_top1", None, "online")
    assert found["settings"] == {
        **{"arch": "slow", "depth": 50, "num_frames": 8, "sampling_rate": 8, "crop": 32, "clips": 2, "k": 4, "t": 0.1},
        "classes": 3,
    }
    assert found["videos"] == {"train": 24, "test": 6}

    # The same words show it, and run nothing; other words may not go on in its folder.
    before = (out / "results.json").stat().st_mtime_ns
    assert evaluate(MOCO, synthetic_set, "knn", out, *CPU, "KNN.NUM_CLIPS", "2") == 0
    assert capsys.readouterr().out.splitlines()[-3:] == shown.splitlines()[-3:]
    assert (out / "results.json").stat().st_mtime_ns == before
    assert evaluate(MOCO, synthetic_set, "knn", out, *CPU) == 1
    assert "holds another run, where KNN.NUM_CLIPS was 2 and is 10 now" in capsys.readouterr().err

    # So says a dry run, which leaves the folder as it is.
    assert evaluate(MOCO, synthetic_set, "knn", out, *CPU, "--dry-run") == 1
    assert "holds another run, where KNN.NUM_CLIPS was 2 and is 10 now" in capsys.readouterr().err
    assert evaluate(MOCO, synthetic_set, "knn", out, *CPU, "KNN.NUM_CLIPS", "2", "--dry-run") == 0
    assert "holds this evaluation, finished" in capsys.readouterr().err

    # The file that it leaves does the same.
    assert main(["run", "--cfg", str(out / "eval.yaml"), "OUTPUT_DIR", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again/results.json").read_text() == (out / "results.json").read_text()


def test_runs_of_one_name_in_two_studies_are_measured_into_two_folders(synthetic_set, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = []
    for study in ("try", "try two", "try"):
        checkpoint = Path(study, "moco/checkpoints/checkpoint_epoch_00010.pyth")
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        if not checkpoint.exists():
            shutil.copy(MOCO, checkpoint)
        words = ["eval", str(checkpoint), "--data", str(synthetic_set), "--protocol", "knn", *CPU, "KNN.NUM_CLIPS", "1"]
        for _ in range(2):
            assert main(words) == 0
            places.append(re.search(r"configuration: (.*)/eval.yaml", capsys.readouterr().err)[1])
    first, again, other, other_again, third, fourth = places
    assert first == f"outputs/eval/moco_checkpoint_epoch_00010_knn_{synthetic_set.name}"
    assert first == again == third == fourth
    assert re.fullmatch(rf"{first}_[0-9a-f]{{8}}", other)
    # Also where the one that had the plain name is gone.
    shutil.rmtree(first)
    assert main([*words[:1], "try two/moco/checkpoints/checkpoint_epoch_00010.pyth", *words[2:]]) == 0
    assert other == other_again
    assert f"configuration: {other}/eval.yaml" in capsys.readouterr().err


def test_linear_classifier_then_its_test(synthetic_set, tmp_path, capsys):
    lists = tmp_path / "lists"
    lists.mkdir()
    for split in ("train", "test"):
        shutil.copy(synthetic_set / f"{split}.csv", lists)
    words = [*QUICK, "DATA.PATH_PREFIX", str(synthetic_set)]
    # There is no val.csv: then nothing is validated on the way.
    assert evaluate(MOCO, lists, "linear", tmp_path / "linear", "--encoder", "momentum", *words) == 0
    assert "\n  no figure to compare with: the protocol's settings are not these: " in capsys.readouterr().out
    written = yaml.safe_load((tmp_path / "linear/eval.yaml").read_text())
    assert (written["MODEL"]["NUM_CLASSES"], written["TRAIN"]["CHECKPOINT_ENCODER"]) == (3, "momentum")
    assert written["TRAIN"]["EVAL_PERIOD"] == 0
    trained = told(tmp_path / "linear")
    assert "SOLVER.MAX_EPOCH is 1 and not 60" in trained["not_compared_because"]
    assert trained["changed"]["SOLVER.MAX_EPOCH"] == 1

    checkpoint = tmp_path / "linear/checkpoints/checkpoint_epoch_00001.pyth"
    assert evaluate(checkpoint, synthetic_set, "test", tmp_path / "test", *CPU) == 0
    tested = told(tmp_path / "test")
    assert (tested["value"], tested["settings"]["clips"]) == (trained["value"], 2)
    # It is an encoder too.
    assert evaluate(checkpoint, synthetic_set, "retrieval", tmp_path / "knn", *CPU, "KNN.NUM_CLIPS", "1") == 0
    assert told(tmp_path / "knn")["metric"] == "recall_at_1"
    log = (tmp_path / "knn/stdout.log").read_text()
    assert "TASK knn (nearest neighbours and retrieval) is finished after" in log


def test_checkpoints_that_a_protocol_cannot_take(synthetic_set, tmp_path, capsys):
    assert evaluate(MOCO, synthetic_set, "test", tmp_path / "out") == 1
    assert "holds no classifier, only an encoder" in capsys.readouterr().err
    simclr = REFERENCE / "simclr_tiny_epoch_00200.pyth"
    assert evaluate(simclr, synthetic_set, "knn", tmp_path / "out", "--encoder", "momentum") == 1
    assert "momentum" in capsys.readouterr().err
    damaged = tmp_path / "damaged.pyth"
    damaged.write_bytes(Path(MOCO).read_bytes()[:5000])
    assert evaluate(damaged, synthetic_set, "knn", tmp_path / "out") == 1
    shown = capsys.readouterr().err
    assert "damaged.pyth" in shown
    assert len(shown.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_lists_with_more_classes_than_the_data_set(synthetic_set, tmp_path, capsys):
    shutil.copytree(synthetic_set, tmp_path / "lists")
    path = (tmp_path / "lists/test.csv").read_text().split()[0]
    (tmp_path / "lists/test.csv").write_text(f"{path} 60\n")
    assert evaluate(MOCO, tmp_path / "lists", "linear", tmp_path / "out", "--dataset", "HMDB51", *QUICK) == 1
    assert "test.csv has the label 60, and HMDB51 has 51 classes" in capsys.readouterr().err


def test_lists_with_fewer_classes_than_the_data_set_are_not_told_as_it(synthetic_set, tmp_path, capsys):
    words = [*QUICK, "TEST.ENABLE", "True", "--dataset", "UCF101"]
    assert evaluate(MOCO, synthetic_set, "finetune", tmp_path / "out", *words) == 0
    shown = capsys.readouterr()
    why = "the lists have 3 classes, and UCF101 has 101"
    assert f"{why}: its protocol is used, and the number cannot be compared with published ones" in shown.err
    assert f"no figure to compare with: {why}" in shown.out
    found = told(tmp_path / "out")
    assert (found["dataset"], found["released"], found["settings"]["classes"]) == (None, None, 3)


def test_looking_first_leaves_nothing(synthetic_set, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["eval", MOCO, "--data", str(synthetic_set), "--protocol", "finetune", "--dataset", "UCF101"]
    words += ["TRAIN.BATCH_SIZE", "8"]
    assert main([*words, "--dry-run", "NUM_GPUS", "-1"]) == 0
    shown = printed(capsys)
    assert (shown["TASK"], shown["MODEL"]["NUM_CLASSES"], shown["SOLVER"]["MAX_EPOCH"]) == ("finetune", 3, 200)
    assert shown["OUTPUT_DIR"] == f"outputs/eval/moco_tiny_epoch_00200_finetune_{synthetic_set.name}"
    slurm = ["--launcher", "slurm", "--nodes", "2", "--gpus-per-node", "0", "--tasks-per-node", "2"]
    assert main([*words, *slurm, "--dry-run"]) == 0
    assert "--nodes=2" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def printed(capsys) -> dict:
    """The configuration that --dry-run prints; before it there may be the log of an earlier job of this process."""
    shown = capsys.readouterr()
    assert shown.err.endswith("nothing was started\n")
    text = shown.out
    return yaml.safe_load(text[text.index("# Protocol") :])


def test_folder_of_frame_lists_is_something_something(tmp_path, capsys):
    (tmp_path / "something-something-v2-labels.json").write_text('{"Opening something": "0", "Closing something": "1"}')
    for split, part in (("train", "train"), ("val", "validation")):
        entries = [{"id": str(n), "template": "Opening [something]"} for n in range(2)]
        (tmp_path / f"something-something-v2-{part}.json").write_text(json.dumps(entries))
        lines = [f'{n} {n} {frame} {n}/{n}_{frame:06d}.jpg ""' for n in range(2) for frame in range(1, 9)]
        header = "original_vido_id video_id frame_id path labels"
        (tmp_path / f"{split}.csv").write_text("\n".join([header, *lines]) + "\n")
    for number in range(2):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}/{number}_000001.jpg").touch()
    assert evaluate(MOCO, tmp_path, "finetune", tmp_path / "out", "--dry-run", "TRAIN.BATCH_SIZE", "2") == 0
    shown = printed(capsys)
    assert (shown["TRAIN"]["DATASET"], shown["MODEL"]["NUM_CLASSES"]) == ("ssv2", 1)
    assert (shown["DATA"]["CLIP_SAMPLING"], shown["TEST"]["NUM_ENSEMBLE_VIEWS"]) == ("segment", 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--protocol", "knn", "KNN.KK", "3"], "KNN.KK: there is no such key"),
        (["--protocol", "knn", "OUTPUT_DIR", "x"], "Write --out"),
        (["--protocol", "knn", "KNN.K", "-1"], "KNN.K: -1"),
        (["--protocol", "knn", "--dataa", "x"], "Write --data"),
        (["--protocol", "knn", "KNN.K"], "KNN.K: has no value"),
        (["--protocol", "nearest"], "invalid choice"),
        (["--protocol", "knn", "--nodes", "2"], "is for a SLURM cluster"),
        (["--protocol", "knn", "--clips", "2"], "--clips: there is no such option"),
    ],
)
def test_wrong_words_are_told_without_torch(words, said, synthetic_set):
    done = without_torch("eval", MOCO, "--data", synthetic_set, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_batch_that_the_list_does_not_fill_is_told_without_torch(synthetic_set):
    words = ("--data", synthetic_set, "--protocol", "linear", "TRAIN.BATCH_SIZE", "64")
    done = without_torch("eval", MOCO, *words)
    assert done.returncode == 2
    assert f"TRAIN.BATCH_SIZE: {synthetic_set}/train.csv lists 24 videos, fewer than the 64" in done.stderr
    assert "Write 24 or less" in done.stderr


def test_files_that_are_not_there_are_told_without_torch(synthetic_set, tmp_path):
    done = without_torch("eval", MOCO, "--data", tmp_path, "--protocol", "linear")
    assert done.returncode == 2
    assert f"--data: {tmp_path} holds no train.csv" in done.stderr
    done = without_torch("eval", "byol_slow_r50_8x8_rho3", "--data", synthetic_set, "--protocol", "knn")
    assert done.returncode == 1
    assert "did you mean byol_slow_r50_8x8_rho" in done.stderr


def test_a_number_is_not_shown_for_another_list_of_an_older_time(synthetic_set, tmp_path, capsys):
    lists = tmp_path / "lists"
    shutil.copytree(synthetic_set, lists)
    words = [MOCO, lists, "knn", tmp_path / "out", *CPU, "KNN.NUM_CLIPS", "1", "KNN.K", "2"]
    assert evaluate(*words) == 0
    shown = capsys.readouterr().out.partition("k-NN top-1")[2]
    measured = {item["role"]: item["sha256"] for item in told(tmp_path / "out")["inputs"]}
    assert measured["test list"] == hashlib.sha256((lists / "test.csv").read_bytes()).hexdigest()
    assert f"sha256 {measured['checkpoint'][:12]}" in shown
    before = (tmp_path / "out/eval.json").stat().st_mtime_ns
    assert evaluate(*words) == 0
    assert capsys.readouterr().out.partition("k-NN top-1")[2] == shown
    assert (tmp_path / "out/eval.json").stat().st_mtime_ns == before
    (lists / "new.csv").write_text("".join((lists / "test.csv").read_text().splitlines(True)[:-1]))
    os.utime(lists / "new.csv", (1, 1))
    (lists / "new.csv").replace(lists / "test.csv")
    assert evaluate(*words) == 1
    shown = capsys.readouterr()
    assert "test list" in shown.err
    assert "has another content than it was measured on" in shown.err
    assert "k-NN top-1" not in shown.out


def test_a_number_is_not_shown_for_replaced_videos_and_their_sizes_are(synthetic_set, tmp_path, capsys):
    lists = tmp_path / "lists"
    shutil.copytree(synthetic_set, lists)
    words = [MOCO, lists, "fast", tmp_path / "out", *CPU, "KNN.NUM_CLIPS", "1"]
    assert evaluate(*words) == 0
    assert re.search(r"test\.csv \(6 rows, sha256 \w{12}; sizes of 6 videos, [\d.]+ MB\)", capsys.readouterr().out)
    first, second = (line.split()[0] for line in (lists / "test.csv").read_text().splitlines()[:2])
    size = (lists / first).stat().st_size
    (lists / second).replace(lists / first)
    assert evaluate(*words) == 1
    shown = capsys.readouterr()
    assert "1 of the 6 videos of the test list has another size" in shown.err
    assert f"{first} ({size} → {(lists / first).stat().st_size} bytes)" in shown.err
    assert "top-1" not in shown.out


def test_the_checkpoint_of_the_fast_protocol_is_recorded_and_compared(synthetic_set, tmp_path, capsys):
    checkpoint = tmp_path / "c.pyth"
    shutil.copy(MOCO, checkpoint)
    words = [checkpoint, synthetic_set, "fast", tmp_path / "out", *CPU, "KNN.NUM_CLIPS", "1"]
    assert evaluate(*words) == 0
    measured = {item["role"]: item["sha256"] for item in told(tmp_path / "out")["inputs"]}
    assert measured["checkpoint"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    shutil.copy(REFERENCE / "simclr_tiny_epoch_00200.pyth", checkpoint)
    assert evaluate(*words) == 1
    assert f"the checkpoint {checkpoint} has another content than it was measured on" in capsys.readouterr().err
