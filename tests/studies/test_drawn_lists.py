"""Lists that a study draws from a data set, and those that it puts beside them."""

import threading

import pytest

from rhovideo.config import ConfigError
from rhovideo.data.lists.manifest import Manifest
from rhovideo.errors import JobError
from rhovideo.runs.lock import held_to_write
from rhovideo.studies.data_sets import DataSets
from rhovideo.studies.drawn_lists import draw_lists
from rhovideo.studies.study_file import StudyFile, Subset


@pytest.fixture
def source(tmp_path):
    """A folder of lists whose paths start from it."""
    folder = tmp_path / "k400"
    folder.mkdir()
    for split in ("train", "val", "test"):
        (folder / f"{split}.csv").write_text("".join(f"videos/{split}{n}.mp4 {n % 2}\n" for n in range(8)))
    (folder / "classes.txt").write_text("one\nother\n")
    return folder


def videos(csv):
    manifest = Manifest.open(csv)
    return [manifest.path(row) for row in range(len(manifest))]


def test_paths_are_right_in_all_lists(tmp_path, source):
    drawn = tmp_path / "out/lists/S"
    draw_lists(Subset("K400", 3), source, drawn)
    for split, number in (("train", 3), ("val", 8), ("test", 8)):
        found = videos(drawn / f"{split}.csv")
        assert len(found) == number
        assert set(found) <= {str(source / f"videos/{split}{n}.mp4") for n in range(8)}
    assert (drawn / "classes.txt").read_text() == "one\nother\n"
    # Lists of several labels are no others.
    for split in ("train", "val"):
        (source / f"{split}.csv").write_text("".join(f'videos/{split}{n}.mp4 "{n},{n + 1}"\n' for n in range(3)))
    draw_lists(Subset("K400", 2), source, tmp_path / "out/lists/T")
    first = (tmp_path / "out/lists/T/val.csv").read_text().splitlines()[0]
    assert first == f'{source}/videos/val0.mp4 "0,1"'


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_study_gets_the_number_that_it_asks_for_and_a_miniature_four_at_least(tmp_path, source, number):
    for share, expected in ((None, number), (1 / 30_000, 4)):
        data = DataSets({"K400": source}, tmp_path / f"lists_{share}", share)
        data.add_subsets_of(StudyFile("mine", tmp_path / "mine.yaml", "", subsets={"S": Subset("K400", number)}))
        data.draw(["S"])
        assert len(videos(data.folder("S") / "train.csv")) == expected


def test_lists_of_another_draw_are_refused_and_in_a_miniature_drawn_again(tmp_path, source):
    drawn = tmp_path / "lists/S"
    draw_lists(Subset("K400", 3), source, drawn)
    for other in (Subset("K400", 4), Subset("K400", 3, seed=1), Subset("K400", 3, balanced=True)):
        with pytest.raises(JobError, match=r"lists/S was drawn from other lists, or with another number"):
            draw_lists(other, source, drawn)
    (source / "val.csv").write_text("videos/val0.mp4 0\n")
    with pytest.raises(JobError, match="remove the folder"):
        draw_lists(Subset("K400", 3), source, drawn)
    draw_lists(Subset("K400", 4), source, drawn, renew=True)
    assert [len(videos(drawn / f"{split}.csv")) for split in ("train", "val")] == [4, 1]


def test_a_list_that_was_removed_is_written_again_and_others_stay(tmp_path, source):
    drawn = tmp_path / "lists/S"
    draw_lists(Subset("K400", 3), source, drawn)
    before = (drawn / "train.csv").read_text()
    for name in ("train.csv", "val.csv"):
        stays = (drawn / "test.csv").stat().st_mtime_ns
        (drawn / name).unlink()
        draw_lists(Subset("K400", 3), source, drawn)
        assert (drawn / name).is_file()
        assert (drawn / "test.csv").stat().st_mtime_ns == stays
    assert (drawn / "train.csv").read_text() == before


def test_two_studies_at_once_draw_one_after_the_other(tmp_path, source):
    drawn = tmp_path / "lists/S"
    other = threading.Thread(target=draw_lists, args=(Subset("K400", 3), source, drawn))
    with held_to_write(drawn.parent):
        other.start()
        other.join(0.5)
        assert other.is_alive()
        assert not drawn.exists()
    other.join(60)
    assert len(videos(drawn / "train.csv")) == 3


@pytest.mark.parametrize(
    ("subset", "says"),
    [
        (Subset("K400", 9), "SUBSETS S of a study: 9 VIDEOS of K400 cannot be drawn"),
        (Subset("Frames", 1), "has lists of frames"),
        (Subset("Empty", 1), "there is no such list"),
    ],
)
def test_what_cannot_be_drawn_is_said(tmp_path, source, subset, says):
    for name in ("frames", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "frames/train.csv").write_text('original_vido_id video_id frame_id path labels\nA 0 0 A/1.jpg "1"\n')
    data = DataSets({"K400": source, "Frames": tmp_path / "frames", "Empty": tmp_path / "empty"}, tmp_path / "lists")
    data.add_subsets_of(StudyFile("mine", tmp_path / "mine.yaml", "", subsets={"S": subset}))
    with pytest.raises((JobError, ConfigError), match=says):
        data.draw(["S"])


def test_a_drawn_list_has_no_name_of_a_data_set(tmp_path, source):
    data = DataSets({"K400": source}, tmp_path / "lists")
    with pytest.raises(ConfigError, match="SUBSETS K400: a data set has this name too"):
        data.add_subsets_of(StudyFile("mine", tmp_path / "mine.yaml", "", subsets={"K400": Subset("K600", 3)}))
