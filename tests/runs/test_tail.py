from __future__ import annotations

import pytest

from rhovideo.runs.tail import lines_backwards


@pytest.mark.parametrize(
    "text", ["", "\n", "a", "a\n", "a\n\nb", "a\n\nb\n", "\n\n", "x" * 70_000 + "\ny\n" + "z" * 140_000]
)
def test_lines_come_in_the_opposite_order(tmp_path, text):
    path = tmp_path / "log"
    path.write_text(text)
    expected = text.removesuffix("\n").split("\n")[::-1] if text else []
    assert [line.decode() for line in lines_backwards(path)] == expected


def test_a_block_may_end_anywhere_within_a_line(tmp_path):
    path = tmp_path / "log"
    lines = [f"line {number} " + "x" * (number % 97) for number in range(3000)]
    path.write_text("\n".join(lines) + "\n")
    assert [line.decode() for line in lines_backwards(path)] == lines[::-1]


def test_a_limit_leaves_out_the_line_that_it_cuts(tmp_path):
    path = tmp_path / "log"
    path.write_text("first\nsecond\nthird\n")
    assert list(lines_backwards(path, limit=9)) == [b"third"]
