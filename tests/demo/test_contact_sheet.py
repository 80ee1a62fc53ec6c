"""The pictures that a demo leaves behind show what they are given."""

import cv2
import numpy as np
import pytest

from rhovideo.demo.contact_sheet import contact_sheet, curve, save_report


def find(sheet, frame):
    """Whether the picture holds exactly this frame somewhere."""
    scores = cv2.matchTemplate(sheet, frame, cv2.TM_SQDIFF)
    row, column = np.unravel_index(scores.argmin(), scores.shape)
    return np.array_equal(sheet[row : row + frame.shape[0], column : column + frame.shape[1]], frame)


def clips(videos=2, views=2, frames=3, side=96):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (views, frames, side, side, 3), dtype=np.uint8) for _ in range(videos)]


def test_every_frame_of_every_clip_is_on_the_sheet_in_rgb(tmp_path):
    given = clips()
    sheet = contact_sheet(given, tmp_path / "deep" / "sheet.png", title="clips")
    written = cv2.cvtColor(cv2.imread(str(tmp_path / "deep" / "sheet.png")), cv2.COLOR_BGR2RGB)
    assert np.array_equal(written, sheet)
    assert all(find(sheet, frame) for video in given for view in video for frame in view)


def test_small_crops_are_enlarged_by_a_whole_factor():
    given = clips(videos=1, views=1, frames=1, side=32)
    assert find(contact_sheet(given), given[0][0, 0].repeat(3, 0).repeat(3, 1))


def test_long_clips_show_their_first_and_last_frame():
    given = clips(videos=1, views=1, frames=20)
    sheet = contact_sheet(given, max_frames=4)
    shown = [find(sheet, frame) for frame in given[0][0]]
    assert sum(shown) == 4
    assert shown[0]
    assert shown[-1]


def test_what_is_no_clip_is_refused():
    for wrong in ([], [np.zeros((2, 3, 4, 4, 3), np.float32)], [np.zeros((3, 4, 4, 3), np.uint8)]):
        with pytest.raises(ValueError, match="uint8"):
            contact_sheet(wrong)


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
