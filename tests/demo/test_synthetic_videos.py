"""The synthetic set: real files, right manifests, the same for a seed, and no class in its colours."""

import csv
import hashlib

import av
import numpy as np
import pytest

from rhovideo.demo.baselines import colour_histogram
from rhovideo.demo.synthetic_shapes import SHAPES
from rhovideo.demo.synthetic_videos import MOTIONS, class_names, render_video, write_synthetic
from rhovideo.randomness import Stream, generator

SMALL = {"num_classes": 6, "train_videos": 12, "val_videos": 7, "seconds": (1.0, 2.0), "size": (64, 80), "seed": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("synthetic") / "set", **SMALL)


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [(name, int(label)) for name, label in csv.reader(file, delimiter=" ")]


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_manifests_name_every_file_once_with_balanced_labels(folder):
    train, val = rows(folder / "train.csv"), rows(folder / "val.csv")
    assert rows(folder / "test.csv") == val
    assert (len(train), len(val)) == (12, 7)
    named = {folder / name for name, _ in train + val}
    assert named == set(folder.rglob("*.mp4"))
    assert np.bincount([label for _, label in train]).tolist() == [2] * 6
    names = class_names(6)
    assert all(name.split("/")[1] == names[label] for name, label in train + val)
    assert (folder / "classes.txt").read_text(encoding="utf-8").splitlines() == names
    assert len({path.read_bytes() for path in named}) == 19  # no picture of train is in val


def test_files_are_h264_videos_of_the_size_and_length_asked_for(folder):
    lengths = []
    for name, _ in rows(folder / "train.csv"):
        with av.open(str(folder / name)) as container:
            stream = container.streams.video[0]
            frames = sum(1 for _ in container.decode(stream))
            assert stream.codec_context.name == "h264"
            assert (stream.height, stream.width) == (64, 80)
            assert stream.average_rate == 15
        assert 15 <= frames <= 30
        lengths.append(frames)
    assert len(set(lengths)) > 1


def test_a_file_shows_what_was_rendered(folder):
    name, label = rows(folder / "train.csv")[4]
    rng = generator(Stream.SYNTHETIC, 3, 0, 4)
    rendered = render_video(class_names(6)[label], round(rng.uniform(1.0, 2.0) * 15), 15, (64, 80), rng)
    with av.open(str(folder / name)) as container:
        decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert decoded.shape == rendered.shape
    assert np.abs(decoded.astype(int) - rendered).mean() < 8


def test_a_seed_gives_the_same_bytes_and_another_seed_others(folder, tmp_path):
    few = {**SMALL, "train_videos": 3, "val_videos": 1}
    first = digest(write_synthetic(tmp_path / "a", **few))
    assert digest(write_synthetic(tmp_path / "b", **few)) == first
    other = digest(write_synthetic(tmp_path / "c", **{**few, "seed": 4}))
    videos = [name for name in first if name.endswith(".mp4")]
    assert videos
    assert all(first[name] != other[name] for name in videos)
    # A video depends on its own number alone, not on how many there are.
    whole = digest(folder)
    assert all(whole[name] == first[name] for name in videos)


def test_a_complete_set_is_left_alone_and_another_one_is_written_anew(tmp_path):
    few = {**SMALL, "train_videos": 2, "val_videos": 1}
    write_synthetic(tmp_path, **few)
    video = tmp_path / rows(tmp_path / "train.csv")[0][0]
    before = video.stat().st_mtime_ns
    write_synthetic(tmp_path, **few)
    assert video.stat().st_mtime_ns == before
    write_synthetic(tmp_path, **{**few, "train_videos": 3})
    assert len(rows(tmp_path / "train.csv")) == 3
    assert {tmp_path / name for name, _ in rows(tmp_path / "train.csv") + rows(tmp_path / "val.csv")} == set(
        tmp_path.rglob("*.mp4")
    )


def test_an_interrupted_set_is_not_taken_for_a_complete_one(tmp_path):
    few = {**SMALL, "train_videos": 2, "val_videos": 1}
    write_synthetic(tmp_path, **few)
    first = digest(tmp_path)
    (tmp_path / "val").rename(tmp_path / "away")
    (tmp_path / "val").touch()  # a file in the folder's place stops the next set half-way
    with pytest.raises(OSError, match="val"):
        write_synthetic(tmp_path, **{**few, "seed": 8})
    (tmp_path / "val").unlink()
    (tmp_path / "away").rename(tmp_path / "val")
    write_synthetic(tmp_path, **few)
    assert digest(tmp_path) == first


@pytest.mark.parametrize("num_classes", range(1, len(SHAPES) * len(MOTIONS) + 1))
def test_class_names_differ(num_classes):
    names = class_names(num_classes)
    assert len(set(names)) == len(names) == num_classes
    if num_classes > len(SHAPES):
        shapes, motions = zip(*(name.split("_") for name in names), strict=True)
        assert len(set(shapes)) > 1
        assert len(set(motions)) > 1


def test_impossible_sets_are_refused(tmp_path):
    for wrong in ({"num_classes": 0}, {"num_classes": 99}, {"size": (63, 80)}, {"seconds": (3.0, 2.0)}, {"fps": 0}):
        with pytest.raises(ValueError, match="write"):
            write_synthetic(tmp_path, **{**SMALL, **wrong})


def clips_of(num_classes, count, split):
    names = class_names(num_classes)
    rngs = [generator(Stream.SYNTHETIC, 9, split, index) for index in range(count)]
    videos = [render_video(names[i % num_classes], 8, 2, (48, 64), rng) for i, rng in enumerate(rngs)]
    return np.stack(videos), np.arange(count) % num_classes


def nearest_neighbours_accuracy(train, train_labels, val, val_labels, k=10):
    distances = (train**2).sum(1) - 2 * val @ train.T
    votes = train_labels[np.argsort(distances, axis=1)[:, :k]]
    guesses = [np.bincount(row, minlength=train_labels.max() + 1).argmax() for row in votes]
    return np.mean(np.array(guesses) == val_labels)


def colour_histograms(videos):
    return np.sqrt(np.stack([colour_histogram(video, bins=6) for video in videos]))


def test_colour_histograms_say_little_about_class_shape_and_motion():
    (train, train_labels), (val, val_labels) = clips_of(12, 240, split=0), clips_of(12, 240, split=1)
    train, val = colour_histograms(train), colour_histograms(val)
    shapes, motions = (
        np.unique(parts, return_inverse=True)[1] for parts in zip(*map(split_name, range(12)), strict=True)
    )
    # Chance and three times its standard deviation over 240 videos, rounded up.
    for of_class, chance, slack in ((np.arange(12), 1 / 12, 0.06), (shapes, 1 / 6, 0.08), (motions, 1 / 2, 0.1)):
        accuracy = nearest_neighbours_accuracy(train, of_class[train_labels], val, of_class[val_labels])
        assert accuracy < chance + slack


def split_name(label):
    return class_names(12)[label].split("_")


def test_a_video_is_cut_into_scenes_that_look_unlike_each_other():
    video = render_video("star_rock", 60, 15, (96, 128), generator(Stream.SYNTHETIC, 1, 0, 0)).astype(float)
    steps = np.abs(np.diff(video, axis=0)).mean((1, 2, 3))
    assert set(np.argsort(steps)[-1:]) == {29}  # four seconds hold two scenes
    assert steps[29] > 2 * np.median(steps)


def test_motions_differ_in_what_moves():
    """Pulsing shapes grow and shrink, so the amount of edges comes and goes; rocking ones keep their size."""

    def unsteadiness(motion):
        ratios = []
        for seed in range(12):
            scene = render_video(f"star_{motion}", 20, 15, (96, 128), generator(Stream.SYNTHETIC, 5, 0, seed))
            edges = np.array([np.abs(np.diff(frame.astype(float), axis=1)).mean() for frame in scene])
            ratios.append(np.abs(np.diff(edges)).mean() / edges.mean())
        return np.mean(ratios)

    assert unsteadiness("pulse") > 1.5 * unsteadiness("rock")


@pytest.mark.parametrize("name", ["star_spin", "circle", "circle_rock", ""])
def test_unknown_classes_are_refused(name):
    with pytest.raises(ValueError, match="write one of triangle"):
        render_video(name, 4, 4, (32, 32), generator(Stream.SYNTHETIC, 1, 0, 0))
