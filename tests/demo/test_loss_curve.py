"""The picture that a demo leaves behind shows what it is given."""

import numpy as np
import pytest

from rhovideo.demo.loss_curve import curve, save_report
from tests.pictures.test_contact_sheet import clips, find


def line_heights(picture, columns):
    """Middle row of the curve's colour in each column, nan where there is none."""
    blue, red = picture[..., 2].astype(int), picture[..., 0].astype(int)
    mask = (red - blue) > 60
    return np.array([np.flatnonzero(mask[:, c]).mean() if mask[:, c].any() else np.nan for c in columns])


def test_a_falling_loss_falls_on_the_picture():
    picture = curve(np.linspace(5, 1, 50), width=500, height=300)
    heights = line_heights(picture, range(100, 460, 40))
    assert (np.diff(heights) > 0).all()  # rows count downwards
    assert np.abs(np.diff(heights, 2)).max() < 1.5  # and it is straight


def test_missing_values_leave_a_gap():
    values = np.ones(101) + np.linspace(0, 1, 101)
    values[40:60] = np.nan
    heights = line_heights(curve(values, width=664, height=300), range(70, 630, 10))
    gap = np.isnan(heights)
    assert gap[23:33].all()
    assert not gap[:20].any()
    assert not gap[36:].any()


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0, 2.0], [1e-8, 2e-8], [1e6, -1e6], [0.0, np.nan], [np.inf, 3.0]])
def test_awkward_values_are_drawn(values):
    picture = curve(values)
    assert picture.shape == (300, 720, 3)


def test_nothing_to_draw_is_refused():
    for wrong in ([], [np.nan]):
        with pytest.raises(ValueError, match="curve"):
            curve(wrong)


def test_the_report_holds_both(tmp_path):
    given = clips(videos=1, views=2)
    picture = save_report(tmp_path / "report.png", given, [3.0, 2.0, 1.5])
    assert (tmp_path / "report.png").stat().st_size > 1000
    assert all(find(picture, frame) for view in given[0] for frame in view)
    assert not np.isnan(line_heights(picture[-300:], [picture.shape[1] // 2])).all()
