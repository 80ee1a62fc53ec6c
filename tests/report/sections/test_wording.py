from __future__ import annotations

import pytest

from rhovideo.report.sections.wording import count, duration, hours


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (1, "key", "1 key"),
        (26, "key", "26 keys"),
        (2, "query", "2 queries"),
        (3, "class", "3 classes"),
        (1234, "video", "1,234 videos"),
    ],
)
def test_numbers_have_their_noun(number, noun, text):
    assert count(number, noun) == text


def test_times_read_well():
    assert [duration(seconds) for seconds in (5, 600, 3 * 3600, 50 * 3600)] == ["5 s", "10 min", "3.0 h", "2 days 2 h"]
    assert [hours(seconds) for seconds in (36_000, 4000, 60)] == ["10", "1.1", "0.017"]
