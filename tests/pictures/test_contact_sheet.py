"""A contact sheet shows the frames that it is given."""

import cv2
import numpy as np
import pytest

from rhovideo.pictures.contact_sheet import contact_sheet


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
