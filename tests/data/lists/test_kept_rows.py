from __future__ import annotations

import numpy as np

from rhovideo.data.lists.kept_rows import common_folder, find_kept_rows, row_digests


def digests(*names: str, base: str = "") -> np.ndarray:
    return row_digests(names, base)


def test_rows_are_found_after_others_were_taken_out():
    rows = find_kept_rows(digests("a", "b", "c", "b", "d"), digests("b", "b", "d"))
    assert rows.origin.tolist() == [1, 3, 4]
    assert not len(rows.added)


def test_a_new_or_repeated_row_is_an_added_one():
    assert find_kept_rows(digests("a", "b"), digests("a", "c", "b", "b")).added.tolist() == [1, 3]
    assert find_kept_rows(digests("a"), digests("a b")).added.tolist() == [0]


def test_a_list_may_move_with_its_videos():
    old, new = ("/v/x/1.mp4", "/v/y/2.mp4"), ("/job/7/x/1.mp4", "/job/7/y/2.mp4")
    assert common_folder(old) == "/v"
    moved = find_kept_rows(row_digests(old, common_folder(old)), row_digests(new, common_folder(new)))
    assert moved.unchanged


def test_the_common_folder_is_of_whole_names():
    assert common_folder(["/v/ab/1.mp4", "/v/a/2.mp4"]) == "/v"
    assert common_folder(["/v/a/1.mp4", "relative/2.mp4"]) == ""
    assert common_folder([]) == ""
