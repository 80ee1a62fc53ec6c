"""The bank of k-NN during a pre-training: what it holds, and what it votes."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from rhovideo.engine.evaluation.knn.knn_bank import KnnBank
from rhovideo.engine.evaluation.knn.neighbours import SameVideos, knn_accuracy


def test_unseen_rows_do_not_vote():
    bank = KnnBank(6, 2)
    query, truth = torch.tensor([[1.0, 0.2]]), torch.tensor([4])
    assert bank.predict(query).tolist() == [-1]
    assert bank.accuracy(query, truth) == 0.0
    bank.update(torch.tensor([[-3.0, 1.0]]), torch.tensor([5]), torch.tensor([4]))
    assert bank.accuracy(query, truth, k=200) == 100.0
    assert bank.embeddings[5].norm().item() == pytest.approx(1.0)


def test_the_newest_embedding_of_a_video_counts():
    bank = KnnBank(4, 2)
    bank.update(torch.eye(2), torch.tensor([1, 1]), torch.tensor([0, 0]))
    assert bank.embeddings[1].tolist() == [0.0, 1.0]
    bank.update(torch.tensor([[2.0, 0.0]]), torch.tensor([1]), torch.tensor([0]))
    assert bank.embeddings[1].tolist() == [1.0, 0.0]


def test_samples_without_video_or_label_are_not_stored():
    bank = KnnBank(4, 2)
    indices, labels = torch.arange(3), torch.tensor([2, -1, 2])
    bank.update(torch.randn(3, 2), indices, labels, valid=torch.tensor([True, True, False]))
    assert bank.seen.tolist() == [True, False, False, False]
    assert math.isnan(bank.accuracy(torch.randn(2, 2), torch.tensor([-1, -1])))


def test_samples_that_are_not_stored_leave_the_others_as_they_were():
    bank = KnnBank(6, 2, max_rows=3)
    bank.update(torch.eye(2), torch.tensor([0, 1]), torch.tensor([4, 5]))
    before = {name: value.clone() for name, value in bank.state_dict().items()}
    held = bank.rows(torch.arange(6)).tolist()
    beyond = held.index(-1)
    bank.update(torch.randn(3, 2), torch.tensor([0, 1, beyond]), torch.tensor([-1, -1, 2]))
    assert before["seen"].any()
    for name, value in bank.state_dict().items():
        assert torch.equal(value, before[name]), name


@settings(max_examples=40, deadline=None)
@given(videos=st.integers(2, 3000), share=st.floats(0.001, 1.0))
def test_a_capped_bank_holds_exactly_the_cap_of_different_videos(videos, share):
    cap = max(1, int(videos * share))
    rows = KnnBank(videos, 1, cap).rows(torch.arange(videos))
    assert sorted(rows[rows >= 0].tolist()) == list(range(cap))


@pytest.mark.parametrize("pattern", ["sorted", "interleaved"])
def test_a_capped_bank_represents_every_class_of_an_ordered_manifest(pattern):
    videos, classes = 24000, 10
    index = torch.arange(videos)
    label = index * classes // videos if pattern == "sorted" else index % classes
    held = KnnBank(videos, 1, videos // 10).rows(index) >= 0
    counts = torch.bincount(label[held], minlength=classes)
    assert (counts - 240).abs().max() <= 10


def test_a_bank_comes_back_from_its_state():
    torch.manual_seed(0)
    bank = KnnBank(50, 4, 20)
    bank.update(torch.randn(50, 4), torch.arange(50), torch.randint(3, (50,)))
    other = KnnBank(50, 4, 20)
    other.load_state_dict(bank.state_dict())
    queries = torch.randn(30, 4)
    assert torch.equal(other.predict(queries, 5), bank.predict(queries, 5))
    other.update(torch.ones(1, 4), torch.tensor([0]), torch.tensor([1]))
    assert not torch.equal(other.embeddings, bank.embeddings)


def test_half_precision_is_enough_to_vote():
    torch.manual_seed(0)
    centres = torch.randn(3, 16)
    labels = torch.arange(60) % 3
    features = centres[labels] + 0.1 * torch.randn(60, 16)
    bank = KnnBank(60, 16, dtype=torch.float16)
    bank.update(features, torch.arange(60), labels)
    assert bank.accuracy(features + 0.1 * torch.randn(60, 16), labels, k=5) == 100.0
    assert knn_accuracy(features, labels, features, labels, k=1) == 100.0


@pytest.mark.parametrize("max_rows", [0, 7])
def test_a_video_is_no_neighbour_of_itself_in_the_bank(max_rows):
    """Also where the bank holds a part of the videos, in rows of its own order."""
    videos = 20
    torch.manual_seed(0)
    rows, classes = F.normalize(torch.randn(videos, 8), dim=1), torch.arange(videos)
    bank = KnnBank(videos, 8, max_rows)
    bank.update(rows, torch.arange(videos), classes)
    held = bank.rows(torch.arange(videos)) >= 0
    numbers = torch.randperm(videos) + 100
    same = SameVideos(numbers, bank.by_row(numbers))
    assert torch.equal(bank.predict(rows, 1)[held], classes[held])
    found = bank.predict(rows, 1, same=same)
    similarity = (rows @ rows.T).fill_diagonal_(-2).masked_fill(~held, -2)
    assert torch.equal(found, similarity.argmax(1))
    assert bank.count(rows, classes, 1, 0.1, same) == (0, videos)
