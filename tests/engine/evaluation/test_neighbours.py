import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from rhovideo.engine.evaluation import neighbours
from rhovideo.engine.evaluation.neighbours import KnnBank, SameVideos, knn_accuracy, knn_predict, retrieval_recall


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def naive_vote(query, gallery, labels, k, temperature):
    similarity = unit(gallery) @ (query / np.linalg.norm(query))
    nearest = np.argsort(-similarity)[:k]
    votes = {}
    for row in nearest:
        votes[labels[row]] = votes.get(labels[row], 0.0) + math.exp(similarity[row] / temperature)
    return max(votes, key=votes.get)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31), rows=st.integers(1, 40), k=st.integers(1, 60), temperature=st.sampled_from([0.07, 0.5])
)
def test_votes_follow_the_naive_loop(seed, rows, k, temperature):
    rng = np.random.default_rng(seed)
    gallery, queries = rng.normal(size=(rows, 6)) * 3, rng.normal(size=(9, 6)) * 0.2
    labels = rng.integers(0, 4, rows)
    expected = [naive_vote(q, gallery, labels, k, temperature) for q in queries]
    tensors = (torch.from_numpy(queries), torch.from_numpy(gallery), torch.from_numpy(labels))
    assert knn_predict(*tensors, k, temperature).tolist() == expected


def test_small_temperatures_do_not_overflow():
    gallery = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    assert knn_predict(torch.tensor([[1.0, 0.0]]), gallery, torch.tensor([3, 1, 1]), 3, 1e-4).tolist() == [3]


def test_chunks_change_nothing(monkeypatch):
    torch.manual_seed(0)
    queries, gallery = torch.randn(50, 8), torch.randn(30, 8)
    labels, truth = torch.randint(5, (30,)), torch.randint(5, (50,))
    whole = knn_predict(queries, gallery, labels, 7), retrieval_recall(queries, truth, gallery, labels, (1, 3))
    monkeypatch.setattr(neighbours, "_MAX_SIMILARITIES", 30 * 4)
    assert torch.equal(knn_predict(queries, gallery, labels, 7), whole[0])
    assert retrieval_recall(queries, truth, gallery, labels, (1, 3)) == whole[1]


def test_recall_counts_queries_with_a_hit_among_the_first_k():
    rng = np.random.default_rng(3)
    queries, gallery = rng.normal(size=(20, 5)), rng.normal(size=(30, 5))
    query_labels, gallery_labels = rng.integers(0, 6, 20), rng.integers(0, 5, 30)
    order = np.argsort(-(unit(queries) @ unit(gallery).T), axis=1)
    expected = {
        k: 100 * np.mean([query_labels[i] in gallery_labels[order[i, :k]] for i in range(20)]) for k in (1, 5, 20, 29)
    }
    tensors = [torch.from_numpy(a) for a in (queries, query_labels, gallery, gallery_labels)]
    found = retrieval_recall(*tensors, at=(1, 5, 20, 29, 30, 50))
    assert {k: found[k] for k in expected} == pytest.approx(expected)
    assert found[1] < found[5] < found[29] < 100  # one class is in no gallery video
    # The 30 nearest of 30 are all of them, whatever the features are.
    assert math.isnan(found[30])
    assert math.isnan(found[50])


@pytest.mark.parametrize("chunk", [2**25, 12 * 5])
def test_a_query_is_not_its_own_neighbour(monkeypatch, chunk):
    """Leave one out: each row's vote and recall are those of a gallery without it."""
    monkeypatch.setattr(neighbours, "_MAX_SIMILARITIES", chunk)
    torch.manual_seed(1)
    features, labels = torch.randn(12, 6), torch.randint(3, (12,))
    same = SameVideos(torch.arange(12), torch.arange(12))
    voted = knn_predict(features, features, labels, 3, same=same)
    recall = retrieval_recall(features, labels, features, labels, (1, 3, 10, 11, 12), same)
    hits = {1: [], 3: [], 10: []}
    for row in range(12):
        others = [other for other in range(12) if other != row]
        query = features[row : row + 1]
        assert voted[row] == knn_predict(query, features[others], labels[others], 3)
        own = retrieval_recall(query, labels[row : row + 1], features[others], labels[others], tuple(hits))
        for k in hits:
            hits[k].append(own[k])
    assert {k: recall[k] for k in hits} == pytest.approx({k: np.mean(values) for k, values in hits.items()})
    assert recall[1] < 100
    assert math.isnan(recall[11])
    assert math.isnan(recall[12])
    assert (
        knn_predict(features[:1], features[:1], labels[:1], 5, same=SameVideos(same.queries[:1], same.gallery[:1]))
        == -1
    )


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


def test_useless_settings_are_refused():
    with pytest.raises(ValueError, match=r"KNN\.K"):
        knn_predict(torch.ones(1, 2), torch.ones(1, 2), torch.zeros(1, dtype=torch.int64), k=0)


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
