"""The boxes of a detector on a page: what is drawn, and what is said where there is nothing to draw."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from rhovideo.config import load_cfg
from rhovideo.engine.run import run
from rhovideo.report import write_report
from rhovideo.report.blocks import Gallery, Rows, Text
from rhovideo.report.sections.scored_boxes import boxes_section, draw_boxes
from rhovideo.report.subjects import read_subject
from tests.box_sets import ACTIONS, write_box_set
from tests.engine.tasks.test_detect import CONFIG


@pytest.fixture(scope="module")
def tested(tmp_path_factory):
    """The run folder of a detector."""
    folder = tmp_path_factory.mktemp("detector")
    write_box_set(folder / "set", train=4, val=3)
    (folder / "detection.yaml").write_text(CONFIG)
    words = ["DATA.PATH_TO_DATA_DIR", folder / "set", "AVA.FRAME_DIR", folder / "set/frames"]
    words += ["OUTPUT_DIR", folder / "out", "SOLVER.MAX_EPOCH", 1]
    run(load_cfg(folder / "detection.yaml", [str(word) for word in words]))
    return folder / "out"


def test_true_and_scored_boxes_are_drawn(tested):
    section = boxes_section(read_subject(tested).main)
    (table,) = (block for block in section.blocks if isinstance(block, Rows))
    assert {row[1] for row in table.rows} <= set(ACTIONS)
    (gallery,) = (block for block in section.blocks if isinstance(block, Gallery))
    assert len(gallery.rows) == 6
    for true, scored in gallery.rows:
        data = np.frombuffer(base64.b64decode(true.source.partition(",")[2]), np.uint8)
        picture = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(int)
        # Green lines, on frames that are grey.
        assert (picture[..., 1] - picture[..., 0] > 60).sum() > 100
        assert true.text.count(":") == scored.text.count(":")
        assert any(action in true.text for action in ACTIONS)


def test_page_has_the_section(tested):
    page = write_report(tested, tested / "page.html").read_text()
    assert 'id="boxes"' in page
    assert "test mAP" in page
    assert "no feature of a whole clip" in page
    assert 'id="confusion"' not in page
    assert "lowest: " in page


def test_boxes_are_where_they_are():
    drawn = draw_boxes(np.zeros((60, 80, 3), np.uint8), [np.array([0.25, 0.5, 0.75, 1.0])], (0, 255, 0))
    rows, columns = np.nonzero(drawn[..., 1] == 255)
    assert drawn.shape == (240, 320, 3)
    assert abs(columns.min() - 80) <= 1
    assert abs(columns.max() - 240) <= 1
    assert abs(rows.min() - 120) <= 1
    assert rows.max() == 239


def test_what_is_missing_is_said(tested, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "config.yaml").write_text((tested / "config.yaml").read_text())
    (copy / "results.json").write_text((tested / "results.json").read_text())
    section = boxes_section(read_subject(copy).main)
    (text,) = section.blocks
    assert isinstance(text, Text)
    assert text.kind == "missing"
