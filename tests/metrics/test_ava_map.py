"""AVA's mAP against numbers that PySlowFast computed, and against a naive loop."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.metrics import ava_map
from rhovideo.metrics.box_matching import OVERLAP, overlap

REFERENCE = Path(__file__).parent.parent / "reference/downstream"
INPUTS = REFERENCE / "ava_map_inputs"
TRUTH, LABELS, EXCLUDED = INPUTS / "gt.csv", INPUTS / "labelmap.pbtxt", INPUTS / "excluded.csv"


@pytest.fixture(scope="module")
def reference():
    return torch.load(REFERENCE / "ava_map.pt", weights_only=True)


def assert_equal(found, expected_map, expected_ap):
    assert found["map"] == pytest.approx(expected_map, abs=1e-9)
    assert found["ap"] == pytest.approx(expected_ap, abs=1e-9)


def test_file_order_is_pyslowfasts(reference):
    found = ava_map(TRUTH, INPUTS / "preds.csv", LABELS, EXCLUDED, matching="file_order")
    assert_equal(found, reference["preds"]["map"], reference["preds"]["ap"])


def test_score_is_the_official_rule(reference):
    for name in ("preds", "preds_ties"):
        found = ava_map(TRUTH, INPUTS / f"{name}.csv", LABELS, EXCLUDED)
        if name == "preds":
            expected = reference[name]
            assert_equal(found, expected["map_if_rows_sorted_by_score"], expected["ap_if_rows_sorted_by_score"])
        assert found["map"] == pytest.approx(reference[name]["map_if_rows_sorted_by_score"], abs=0.02)


def test_without_exclusions(reference):
    found = ava_map(TRUTH, INPUTS / "preds.csv", LABELS, matching="file_order")
    assert found["map"] == pytest.approx(reference["preds"]["map_without_exclusions"], abs=1e-9)


def test_ties_lie_in_the_interval_of_all_orders(reference):
    found = ava_map(TRUTH, INPUTS / "preds_ties.csv", LABELS, EXCLUDED, matching="file_order")
    orders = reference["preds_ties"]["by_tie_order"]
    for number, value in found["ap"].items():
        assert orders["fp_first"]["ap"][number] - 1e-9 <= value <= orders["tp_first"]["ap"][number] + 1e-9
    assert orders["fp_first"]["map"] - 1e-9 <= found["map"] <= orders["tp_first"]["map"] + 1e-9


def test_predictions_of_the_meter(reference, tmp_path):
    """Scores of 80 classes for each box: the limit of 50 rows an image acts."""
    meter = reference["meter"]
    lines = []
    for scores, box, (video, second) in zip(meter["scores"], meter["ori_boxes"], meter["metadata"], strict=True):
        corners = ",".join(repr(float(number)) for number in box[1:])
        name = f"{meter['video_names'][video]},{int(second)}"
        lines += [f"{name},{corners},{number},{float(score)!r}" for number, score in enumerate(scores, 1)]
    file = tmp_path / "found.csv"
    file.write_text("\n".join(lines))
    theirs = ava_map(TRUTH, file, LABELS, EXCLUDED, matching="file_order")
    assert_equal(theirs, meter["test"]["map"], meter["test"]["ap"])
    official = ava_map(TRUTH, file, LABELS, EXCLUDED)
    assert official["map"] == pytest.approx(meter["test"]["map_if_sorted_and_top50_per_image"], abs=1e-9)


def test_overlaps_of_one_half_count_as_in_float64(reference):
    pairs = reference["iou_half_decimals"]
    found = np.array(
        [
            overlap(a[None], b[None])[0, 0]
            for a, b in zip(pairs["det_xyxy"].numpy(), pairs["gt_xyxy"].numpy(), strict=True)
        ]
    )
    assert (found == pairs["iou_float64"].numpy()).all()
    assert ((found >= OVERLAP) == pairs["counted_as_hit"].numpy()).all()


# -- against a naive loop ---------------------------------------------------------------------------------------------


def naive_iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union else 0


def naive_map(truth, found, classes, excluded, best):
    truth = [row for row in truth if row[2] in classes and row[0] not in excluded]
    found = [row for row in found if row[2] in classes and row[0] not in excluded]
    outcomes = {number: [] for number in classes}
    for image in {row[0] for row in found}:
        rows = [row for row in found if row[0] == image]
        if best is not None:
            rows = sorted(rows, key=lambda row: -row[3])[:best]
        taken = set()
        for _, box, number, score in rows:
            if box[0] >= box[2] or box[1] >= box[3]:
                continue
            true = [(place, row[1]) for place, row in enumerate(truth) if row[0] == image and row[2] == number]
            hit = False
            if true:
                place, nearest = max(true, key=lambda one: naive_iou(box, one[1]))
                hit = naive_iou(box, nearest) >= 0.5 and place not in taken
                taken |= {place} if hit else set()
            outcomes[number].append((score, hit))
    each = {}
    for number in classes:
        positives = sum(row[2] == number for row in truth)
        if not positives:
            continue
        ordered = [hit for _, hit in sorted(outcomes[number], key=lambda one: -one[0])]
        points = [(sum(ordered[:n]) / positives, sum(ordered[:n]) / n) for n in range(1, len(ordered) + 1)]
        area, before = 0.0, 0.0
        for place, (recall, _) in enumerate(points):
            area += (recall - before) * max(precision for _, precision in points[place:])
            before = recall
        each[number] = area
    return each


IMAGES = [("a", 902), ("a", 903), ("b", 902)]
EIGHTHS = st.integers(0, 8).map(lambda number: number / 8)
BOXES = st.tuples(EIGHTHS, EIGHTHS, EIGHTHS, EIGHTHS)
# Boxes of few sizes, so that overlaps and repeated boxes are frequent.
LARGE = st.sampled_from(
    [(0, 0, 0.5, 0.5), (0, 0, 0.5, 0.75), (0.125, 0, 0.5, 0.5), (0.25, 0.25, 1, 1), (0.25, 0, 1, 1)]
)
ROWS = st.tuples(st.sampled_from(IMAGES), st.one_of(LARGE, BOXES), st.integers(1, 3))


@pytest.mark.filterwarnings("ignore:.*in common")
@settings(max_examples=150)
@given(
    truth=st.lists(ROWS, min_size=1, max_size=12),
    found=st.lists(ROWS, max_size=30),
    excluded=st.sets(st.sampled_from(IMAGES), max_size=1),
    seed=st.integers(0, 2**32),
    matching=st.sampled_from(["score", "file_order"]),
)
def test_naive_loop_agrees(tmp_path_factory, truth, found, excluded, seed, matching):
    # Scores differ, since any order of equal ones is right.
    scores = np.random.default_rng(seed).permutation(len(found)) / 64
    found = [(*row, score) for row, score in zip(found, scores.tolist(), strict=True)]
    folder = tmp_path_factory.mktemp("rows")
    text = [f"{video},{second},{','.join(map(str, box))},{number}" for (video, second), box, number in truth]
    (folder / "truth.csv").write_text("\n".join(text))
    text = [f"{video},{second:04},{','.join(map(str, box))},{n},{score}" for (video, second), box, n, score in found]
    (folder / "found.csv").write_text("\n".join(text))
    (folder / "excluded.csv").write_text("\n".join(f"{video},{second}" for video, second in excluded))
    classes = {1, 2}
    expected = naive_map(truth, found, classes, excluded, 50 if matching == "score" else None)
    files = (folder / "truth.csv", folder / "found.csv", classes, folder / "excluded.csv")
    if not expected:
        with pytest.raises(ManifestError, match="no box"):
            ava_map(*files, matching)
        return
    result = ava_map(*files, matching)
    assert result["ap"] == pytest.approx(expected, abs=1e-12)
    assert result["map"] == pytest.approx(sum(expected.values()) / len(expected), abs=1e-12)


def test_best_fifty_rows_of_an_image_count(tmp_path):
    (tmp_path / "truth.csv").write_text("a,902,0,0,0.5,0.5,1,0\n")
    misses = "".join(f"a,902,0.6,0.6,0.9,0.9,2,{0.9 - place / 1000}\n" for place in range(50))
    (tmp_path / "found.csv").write_text(misses + "a,902,0,0,0.5,0.5,1,0.5\n")
    files = (tmp_path / "truth.csv", tmp_path / "found.csv", [1, 2])
    assert ava_map(*files)["ap"] == {1: 0.0}
    assert ava_map(*files, matching="file_order")["ap"] == {1: 1.0}


# -- what is right and what is wrong with files -----------------------------------------------------------------------


def test_truth_as_predictions_scores_one(tmp_path):
    rows = [line.split(",") for line in TRUTH.read_text().splitlines()]
    # Of a repeated true box one alone can be hit.
    distinct = {(row[0], int(row[1]), *row[2:7]): row for row in rows}.values()
    truth = tmp_path / "truth.csv"
    truth.write_text("\n".join(",".join(row) for row in distinct))
    found = tmp_path / "found.csv"
    found.write_text("\n".join(",".join([*row[:7], "1"]) for row in distinct))
    result = ava_map(truth, found, LABELS, EXCLUDED)
    assert result["map"] == 1.0
    assert set(result["ap"].values()) == {1.0}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,902,0,0,1,1,3", "columns"),
        ("a,902,0,0,1,1,3,0.5,9", "columns"),
        ("a,9o2,0,0,1,1,3,0.5", "second"),
        ("a,-1,0,0,1,1,3,0.5", "second"),
        ("a,99999999999999999999,0,0,1,1,3,0.5", "second"),
        ("a,902,0,0,1,1,99999999999999999999,0.5", "action"),
        ("a,902,0,zero,1,1,3,0.5", "y1"),
        ("a,902,0,nan,1,1,3,0.5", "y1"),
        ("a,902,0,0,1,inf,3,0.5", "y2"),
        ("a,902,0,0,1,1,three,0.5", "action"),
        ("a,902,0,0,1,1,-3,0.5", "action"),
        ("a,902,0,0,1,1,3,", "score"),
        ("a,902,0,0,1,1,3,nan", "score"),
    ],
)
def test_wrong_row_is_named(tmp_path, row, said):
    (tmp_path / "truth.csv").write_text("a,902,0,0,1,1,3,0\n")
    (tmp_path / "found.csv").write_text(f"a,902,0,0,1,1,3,0.9\n\n{row}\n")
    with pytest.raises(ManifestError, match=rf"found\.csv, line 3: .*{said}"):
        ava_map(tmp_path / "truth.csv", tmp_path / "found.csv", [3])


def test_files_of_other_programs_are_read(tmp_path):
    """A byte order mark, quotes, spaces, empty lines and Windows' ends of lines."""
    (tmp_path / "truth.csv").write_bytes(b'\xef\xbb\xbf"a,1",902,0,0,1,1,3,0\r\n\r\n')
    (tmp_path / "found.csv").write_bytes(b'"a,1", 0902 , 0.0, 0, 1, 1e0, 3, 5e-1\r\n')
    assert ava_map(tmp_path / "truth.csv", tmp_path / "found.csv", [3])["map"] == 1


def test_header_and_binary_files_are_refused(tmp_path):
    (tmp_path / "truth.csv").write_text("video,second,x1,y1,x2,y2,action,person\na,902,0,0,1,1,3,0\n")
    with pytest.raises(ManifestError, match=r"line 1: .*no header"):
        ava_map(tmp_path / "truth.csv", tmp_path / "truth.csv", [3])
    (tmp_path / "truth.csv").write_bytes(bytes(range(256)))
    with pytest.raises(ManifestError, match="UTF-8"):
        ava_map(tmp_path / "truth.csv", tmp_path / "truth.csv", [3])
    with pytest.raises(FileNotFoundError):
        ava_map(tmp_path / "none.csv", tmp_path / "truth.csv", [3])
    with pytest.raises(ValueError, match="matching"):
        ava_map(TRUTH, INPUTS / "preds.csv", LABELS, matching="best")


def test_videos_with_other_names_are_warned_of(tmp_path):
    (tmp_path / "truth.csv").write_text("a,902,0,0,1,1,3,0\n")
    (tmp_path / "found.csv").write_text("a.mp4,902,0,0,1,1,3,0.5\n")
    with pytest.warns(UserWarning, match="in common"):
        assert ava_map(tmp_path / "truth.csv", tmp_path / "found.csv", [3])["map"] == 0


def test_no_detection_scores_zero(tmp_path):
    (tmp_path / "truth.csv").write_text("a,902,0,0,1,1,3,0\n")
    (tmp_path / "found.csv").write_text("")
    assert ava_map(tmp_path / "truth.csv", tmp_path / "found.csv", [3]) == {"map": 0.0, "ap": {3: 0.0}}
    assert not math.isnan(ava_map(TRUTH, tmp_path / "found.csv", LABELS)["map"])


@pytest.mark.parametrize("label_map", [["stand"], [1.5], [float("nan")], [], {}])
def test_classes_that_are_no_whole_numbers_are_refused(label_map):
    with pytest.raises(ValueError, match="label_map"):
        ava_map(TRUTH, INPUTS / "preds.csv", label_map)


def test_boxes_of_different_units_are_warned_of(tmp_path):
    (tmp_path / "true.csv").write_text("v,902,0.1,0.1,0.5,0.5,1,0\n")
    (tmp_path / "found.csv").write_text("v,902,10,10,50,50,1,0.9\n")
    with pytest.warns(UserWarning, match="is in pixels and the other in shares"):
        ava_map(tmp_path / "true.csv", tmp_path / "found.csv", [1])


def test_coordinate_of_no_frame_is_named(tmp_path):
    (tmp_path / "true.csv").write_text("v,902,1e308,0.1,-1e308,0.5,1,0\n")
    with pytest.raises(ManifestError, match=r"line 1: x1 is '1e308'"):
        ava_map(tmp_path / "true.csv", tmp_path / "true.csv", [1])


def test_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for truth, label_map in ((tmp_path / "pipe", LABELS), (TRUTH, tmp_path / "pipe")):
        with pytest.raises(ManifestError, match="is a pipe or device"):
            ava_map(truth, INPUTS / "preds.csv", label_map)
