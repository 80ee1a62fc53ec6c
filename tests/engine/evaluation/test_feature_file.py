"""A file that many processes fill and that may be left at any moment."""

from __future__ import annotations

import csv
import os

import numpy as np
import pytest

from rhovideo.engine.evaluation.feature_file import FeatureFile
from rhovideo.errors import JobError

IDENTITY = {"checkpoint_sha256": "abc", "clips": 2, "rhovideo": "0.1.0"}


def features(rows: int, dim: int) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, dim)).astype(np.float16)


def fill(file: FeatureFile, values: np.ndarray, blocks=None) -> None:
    for block in range(file.blocks) if blocks is None else blocks:
        rows = file.rows_of(block)
        file.write(block, values[rows.start : rows.stop], np.arange(rows.start, rows.stop) % 3 != 0)


@pytest.mark.parametrize(("rows", "dim"), [(1, 128), (37, 2048), (300, 2304), (1500, 5)])
def test_any_shape_reads_back_as_a_numpy_file(rows, dim, tmp_path):
    values = features(rows, dim)
    file = FeatureFile(tmp_path, rows, dim)
    file.prepare(IDENTITY)
    fill(file, values, reversed(range(file.blocks)))
    unreadable = file.finish(file.done(), map(str, range(rows)), [-1] * rows)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    assert (mapped.shape, mapped.dtype) == ((rows, dim), np.float16)
    assert np.array_equal(mapped, values)
    assert unreadable == file.unreadable() == -(-rows // 3)


@pytest.mark.parametrize("dim", [5, 128, 432, 2048, 2304])
def test_blocks_do_not_share_pages_of_the_file(dim, tmp_path):
    file = FeatureFile(tmp_path, 10_000, dim)
    assert all(file.rows_of(block).start * dim * 2 % 4096 == 0 for block in range(file.blocks))
    assert [row for block in range(file.blocks) for row in file.rows_of(block)] == list(range(10_000))


def test_another_process_finds_what_is_done_and_no_half_of_it(tmp_path):
    values = features(100, 128)
    first = FeatureFile(tmp_path, 100, 128)
    first.prepare(IDENTITY)
    fill(first, values, [0, 3])
    journal = next((tmp_path / ".progress").iterdir())
    # Killed while it wrote a line, of a block that is not on the disk.
    journal.write_bytes(journal.read_bytes() + b"2 1111")
    second = FeatureFile(tmp_path, 100, 128)
    second.prepare(IDENTITY)
    assert sorted(second.done()) == [0, 3]
    assert not second.complete
    with pytest.raises(JobError, match="5 of 7 blocks"):
        second.finish(second.done(), [], [])
    fill(second, values, [1, 2, 4, 5, 6])
    second.finish(second.done(), map(str, range(100)), range(100))
    assert np.array_equal(np.load(tmp_path / "features.npy"), values)
    assert not (tmp_path / ".progress").exists()


def test_notes_without_their_file_count_for_nothing(tmp_path):
    file = FeatureFile(tmp_path, 40, 128)
    file.prepare(IDENTITY)
    fill(file, features(40, 128))
    (tmp_path / ".features.part").unlink()
    again = FeatureFile(tmp_path, 40, 128)
    again.prepare(IDENTITY)
    assert again.done() == {}


def test_features_of_something_else_are_refused(tmp_path):
    FeatureFile(tmp_path, 40, 128).prepare(IDENTITY)
    FeatureFile(tmp_path, 40, 128).prepare(IDENTITY | {"rhovideo": "0.2.0"})
    with pytest.raises(JobError, match="clips 2, now 5"):
        FeatureFile(tmp_path, 40, 128).prepare(IDENTITY | {"clips": 5})
    (tmp_path / "other").mkdir()
    np.save(tmp_path / "other/features.npy", np.zeros(3))
    with pytest.raises(JobError, match=r"that no extract\.json describes"):
        FeatureFile(tmp_path / "other", 40, 128).prepare(IDENTITY)


def test_manifest_keeps_names_that_are_no_text(tmp_path):
    names = ['a,b "c".mp4', "caf\udce9.mp4", "d.mp4"]
    file = FeatureFile(tmp_path, 3, 128)
    file.prepare(IDENTITY)
    fill(file, features(3, 128))
    file.finish(file.done(), names, [4, -1, 0])
    with (tmp_path / "manifest.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["path"] for row in rows] == names
    assert [(row["row"], row["label"], row["ok"]) for row in rows] == [("0", "4", "0"), ("1", "", "1"), ("2", "0", "1")]


def test_notes_of_a_file_that_was_cut_off_count_for_nothing(tmp_path):
    values = features(40, 128)
    file = FeatureFile(tmp_path, 40, 128)
    file.prepare(IDENTITY)
    fill(file, values)
    os.truncate(tmp_path / ".features.part", 5000)
    again = FeatureFile(tmp_path, 40, 128)
    again.prepare(IDENTITY)
    assert again.done() == {}
    fill(again, values)
    again.finish(again.done(), map(str, range(40)), range(40))
    assert np.array_equal(np.load(tmp_path / "features.npy"), values)


def test_damage_to_what_was_finished_is_named(tmp_path):
    file = FeatureFile(tmp_path, 40, 128)
    file.prepare(IDENTITY)
    fill(file, features(40, 128))
    file.finish(file.done(), map(str, range(40)), range(40))
    file.prepare(IDENTITY)
    (tmp_path / "manifest.csv").rename(tmp_path / "elsewhere")
    with pytest.raises(JobError, match=r"manifest.csv next to it is gone: remove features.npy"):
        file.prepare(IDENTITY)
    (tmp_path / "elsewhere").rename(tmp_path / "manifest.csv")
    os.truncate(tmp_path / "features.npy", 5000)
    with pytest.raises(JobError, match="cut off"):
        file.prepare(IDENTITY)


@pytest.mark.parametrize("damage", ["", "[]", "{"])
def test_a_damaged_identity_is_named(tmp_path, damage):
    (tmp_path / "extract.json").write_text(damage)
    with pytest.raises(JobError, match=r"extract.json: cannot be read"):
        FeatureFile(tmp_path, 40, 128).prepare(IDENTITY)
