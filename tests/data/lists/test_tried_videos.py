from __future__ import annotations

import numpy as np

from rhovideo.data.lists.tried_videos import TriedVideos


def test_a_video_counts_once_however_often_it_is_tried():
    videos = TriedVideos(37)
    for _ in range(3):
        videos.mark(range(30), [3, 3, 35])
        videos.mark([3, 29, 30])
    assert (videos.tried, videos.bad) == (32, 2)
    assert videos.new([3, 31, 36], [3, 4]) == ([31, 36], [4])


def test_a_resume_goes_on_with_the_same_videos_and_a_shorter_list_with_those_that_are_left():
    videos = TriedVideos(37)
    videos.mark(range(20), [2, 5, 36])
    again = TriedVideos(37)
    again.load_state_dict(videos.state_dict())
    again.mark(range(20), [2, 5])
    assert (again.tried, again.bad) == (21, 3)
    kept = np.array([row for row in range(37) if row not in (2, 36)])
    shorter = TriedVideos(35)
    shorter.load_state_dict(videos.state_dict(), kept)
    assert (shorter.tried, shorter.bad) == (19, 1)
    shorter.mark(bad=[4])  # row 5 of the longer list
    assert shorter.bad == 1


def test_the_counts_of_an_earlier_version_begin_again():
    videos = TriedVideos(10)
    videos.load_state_dict({"tried": 103, "bad": 12})
    assert (videos.tried, videos.bad) == (0, 0)
