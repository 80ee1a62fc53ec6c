"""The order of a mixture's samples against its definition."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhovideo.data.lists.mixtures import Mixture, MixturePart
from rhovideo.data.loading import shuffling
from rhovideo.data.loading.datasets import build_dataset
from rhovideo.data.loading.loader import Loader
from rhovideo.data.loading.mixing import MixtureOrder, allotted


def mixture(*parts: tuple[int, int]) -> Mixture:
    """Parts of (weight, videos)."""
    found, first = [], 0
    for number, (weight, count) in enumerate(parts):
        found.append(MixturePart(f"part {number}", Fraction(weight), first, count))
        first += count
    return Mixture(tuple(found))


def parts_of(mixed: Mixture, rows: np.ndarray) -> np.ndarray:
    return np.searchsorted([part.first for part in mixed.parts], rows, side="right") - 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=7))
def test_the_share_of_each_part_is_off_by_less_than_one_at_every_sample(shares):
    total, counts = sum(shares), allotted(tuple(shares))
    assert counts.shape == (len(shares), total + 1)
    assert (np.diff(counts, axis=1) >= 0).all()
    assert (counts.sum(0) == np.arange(total + 1)).all()
    assert counts[:, -1].tolist() == shares
    for n in range(total + 1):
        for part, share in enumerate(shares):
            assert abs(int(counts[part, n]) * total - n * share) < total


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 40)), min_size=1, max_size=4),
    st.integers(1, 12),
    st.integers(1, 6),
    st.integers(0, 3),
)
def test_passes_go_through_each_part_and_addresses_come_once(parts, batch, steps, seed):
    mixed = mixture(*parts)
    order = MixtureOrder(mixed, seed, batch, steps)
    taken = [order.step(epoch, step) for epoch in range(4) for step in range(steps)]
    rows, passes = (np.concatenate(column) for column in zip(*taken, strict=True))
    total = sum(mixed.shares)
    for n in range(batch, len(rows) + 1, batch):
        given_ = np.bincount(parts_of(mixed, rows[:n]), minlength=len(parts))
        assert (abs(given_ * total - n * np.array(mixed.shares)) < total).all()
    # An address, which decides the clips, is never used twice.
    assert len(set(zip(rows.tolist(), passes.tolist(), strict=True))) == len(rows)
    for number, part in enumerate(mixed.parts):
        own = parts_of(mixed, rows) == number
        shown = Counter(rows[own].tolist())
        whole = int(own.sum()) // part.count
        assert all(shown[row] in (whole, whole + 1) for row in range(part.first, part.first + part.count))
        assert (passes[own] <= whole).all()


@pytest.mark.parametrize("drawn_up_to", [2**22, 4])
def test_no_step_shows_a_video_twice_where_a_part_is_large_enough(monkeypatch, drawn_up_to):
    # Orders of long lists are computed, not stored; here those of short ones too.
    monkeypatch.setattr(shuffling, "_DRAWN_UP_TO", drawn_up_to)
    mixed, batch = mixture((3, 31), (1, 17), (2, 400)), 12
    order = MixtureOrder(mixed, 3, batch, 37)
    for step in range(37 * 8):
        rows, _ = order.step(*divmod(step, 37))
        assert len(set(rows.tolist())) == batch


def test_the_order_is_random_within_a_step_and_between_passes_seeds_and_epochs():
    mixed = mixture((1, 300), (1, 300))
    order = MixtureOrder(mixed, 3, 8, 75)
    steps = [order.step(0, step)[0] for step in range(75)]
    assert all(np.bincount(parts_of(mixed, rows)).tolist() == [4, 4] for rows in steps)
    firsts = Counter(int(parts_of(mixed, rows[:1])[0]) for rows in steps)
    assert 20 < firsts[0] < 55
    assert len({tuple(parts_of(mixed, rows).tolist()) for rows in steps}) > 30
    first, second = (np.concatenate([order.step(epoch, step)[0] for step in range(75)]) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(600))
    assert (first != second).any()
    assert (first[:8] != MixtureOrder(mixed, 4, 8, 75).step(0, 0)[0]).any()


@pytest.fixture
def mixed_cfg(small_cfg, tmp_path):
    """The list of the small set in two parts of 3 to 1, and its configuration."""
    from rhovideo.data.lists.mixtures import mark_line
    from rhovideo.data.loading.datasets import open_manifest

    manifest = open_manifest(small_cfg, "train")
    rows = [f"{manifest.path(row)} {manifest.label(row)}\n" for row in range(len(manifest))]
    text = mark_line("one", "3") + "".join(rows[:4]).encode() + mark_line("two", "1") + "".join(rows[4:]).encode()
    (tmp_path / "train.csv").write_bytes(text)
    small_cfg = small_cfg.clone()
    small_cfg.defrost()
    small_cfg.DATA.PATH_TO_DATA_DIR = str(tmp_path)
    small_cfg.freeze()
    return small_cfg


def keys_of(loader: Loader, epochs: range, first_step: int = 0) -> list[tuple[int, int]]:
    return [tuple(key) for epoch in epochs for keys in loader.batches_of(epoch, first_step) for key in keys]


def test_the_loader_samples_the_shares_resumes_exactly_and_does_not_depend_on_processes(mixed_cfg):
    dataset = build_dataset(mixed_cfg, "train", "pretrain")
    keys = {"training": True, "seed": 5, "global_batch": 4}
    loader = Loader(dataset, **keys)
    taken = keys_of(loader, range(6))
    assert sum(index < 4 for _, index in taken) * 4 == 3 * len(taken)
    assert len(set(taken)) == len(taken)
    steps = loader.steps_per_epoch
    assert keys_of(Loader(dataset, **keys), range(3, 4), 1) == taken[(3 * steps + 1) * 4 : 4 * steps * 4]
    ranks = [keys_of(Loader(dataset, **keys, rank=rank, world_size=2), range(6)) for rank in (0, 1)]
    assert [key for a in range(0, len(taken), 4) for key in taken[a : a + 2]] == ranks[0]
    assert [key for a in range(2, len(taken), 4) for key in taken[a : a + 2]] == ranks[1]
    assert set(loader.step_videos(2, 1).tolist()) == {index for _, index in taken[(2 * steps + 1) * 4 :][:4]}


def test_a_video_that_comes_twice_in_an_epoch_shows_other_clips(mixed_cfg):
    dataset = build_dataset(mixed_cfg, "train", "pretrain")
    loader = Loader(dataset, training=True, seed=5, global_batch=4)
    clips: dict[int, list[bytes]] = {}
    for batch in loader.epoch(0):
        for index, views in zip(batch.index.tolist(), batch.clips, strict=True):
            clips.setdefault(index, []).append(views.numpy().tobytes())
    assert any(len(shown) > 1 for shown in clips.values())
    assert all(len(set(shown)) == len(shown) for shown in clips.values())


def test_an_unreadable_video_is_replaced_by_one_of_its_part(mixed_cfg, tmp_path):
    csv = tmp_path / "train.csv"
    lines = csv.read_text().splitlines()
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    for line in (1, 2):
        lines[line] = f"{tmp_path}/broken.mp4 0"
    csv.write_text("\n".join(lines) + "\n")
    loader = Loader(build_dataset(mixed_cfg, "train", "pretrain"), training=True, seed=5, global_batch=4)
    shown = [int(index) for epoch in range(4) for batch in loader.epoch(epoch) for index in batch.index]
    assert not {0, 1} & set(shown)
    assert sum(index < 4 for index in shown) * 4 == 3 * len(shown)


def test_evaluation_takes_each_video_once(mixed_cfg):
    dataset = build_dataset(mixed_cfg, "train", "knn")
    loader = Loader(dataset, training=False, seed=5, global_batch=4)
    assert [index for _, index in keys_of(loader, range(1))] == list(range(len(dataset)))
