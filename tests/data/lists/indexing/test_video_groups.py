"""Clips of one video are never torn apart by the choice of validation videos."""

import itertools

import pytest

from rhovideo.data.lists.indexing.folder_index import index_folder
from tests.data.lists.listed import entries, touch

UCF = [f"{c}/v_{c}_g{g:02}_c{n:02}.avi" for c in ("Archery", "Bowling") for g in range(1, 8) for n in range(1, 5)]
HMDB = [
    f"{action}/{video}_{action}_f_cm_np1_ri_med_{n}.avi"
    for action, video, n in itertools.product(("brush_hair", "wave"), ("April_09", "Prelinger_1", "x_y", "z"), range(3))
]
KINETICS = [f"{c}/{i}bcdefghij{i}_{s:06}_{s + 10:06}.mp4" for c in ("a", "b") for i in range(5) for s in (0, 10, 20)]


def video_of(path, source):
    name = path.rpartition("/")[2]
    return {"ucf": name.rpartition("_c")[0], "hmdb": name.rpartition("_f_cm")[0], "kinetics": name[:11]}[source]


@pytest.mark.parametrize(
    ("source", "names", "hint"),
    [("ucf", UCF, "--ucf101"), ("hmdb", HMDB, "--hmdb51"), ("kinetics", KINETICS, "Kinetics")],
)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("labels", [None, False])
def test_clips_of_a_video_stay_together_and_it_is_said(tmp_path, source, names, hint, seed, labels):
    for name in names:
        touch(tmp_path / "videos" / name)
    summary = index_folder(tmp_path / "videos", tmp_path / "lists", val_share=0.3, seed=seed, labels=labels)
    train, val = (entries(tmp_path / "lists" / f"{split}.csv", tmp_path) for split in ("train", "val"))
    assert len(train) + len(val) == len(names)
    assert not {video_of(path, source) for path, _ in train} & {video_of(path, source) for path, _ in val}
    assert 0.15 < len(val) / len(names) < 0.5
    assert {label for _, label in val} == {label for _, label in train}
    assert "stay together" in str(summary)
    assert hint in str(summary)


def test_a_class_of_one_video_is_kept_for_training(tmp_path):
    for name in [*UCF, *(f"Diving/v_Diving_g01_c{n:02}.avi" for n in range(1, 9))]:
        touch(tmp_path / "videos" / name)
    index_folder(tmp_path / "videos", tmp_path / "lists", val_share=0.3)
    assert 2 not in {label for _, label in entries(tmp_path / "lists" / "val.csv", tmp_path)}


def test_other_names_are_drawn_one_by_one(tmp_path):
    for n in range(20):
        touch(tmp_path / "videos" / f"{n}.mp4")
    summary = index_folder(tmp_path / "videos", tmp_path / "lists", val_share=0.25)
    assert summary.counts["val"] == 5
    assert "stay together" not in str(summary)
