"""The demo on a budget that teaches nothing: does it run, and does it write what it promises?"""

from __future__ import annotations

import json
import runpy

import cv2
import pytest

from tests.runs import ROOT

main = runpy.run_path(str(ROOT / "tools/demo.py"))["main"]


def test_demo_writes_its_numbers_and_its_picture(tmp_path, capsys):
    out = tmp_path / "demo"
    main(["--epochs", "1", "--videos", "32", "--seed", "3", "--out", str(out)])
    results = json.loads((out / "results.json").read_text())
    assert {"linear_top1", "random_init_top1", "knn_top1"} <= results.keys()
    for name in ("linear_top1", "random_init_top1", "knn_top1"):
        assert 0 <= results[name] <= 100, name
    assert results["seconds"] > 0
    assert (results["method"], results["rho"], results["seed"]) == ("simclr", 2, 3)
    picture = cv2.imread(str(out / "demo.png"))
    assert min(picture.shape[:2]) > 400
    assert picture.std() > 10
    row = f"| simclr | 2 | 3 | {results['knn_top1']:.1f} | {results['linear_top1']:.1f} |"
    assert row in capsys.readouterr().out


def test_help_names_the_outputs_and_the_options(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for word in ("results.json", "demo.png", "--seed", "--study", "--epochs", "--videos", "--rho"):
        assert word in text
