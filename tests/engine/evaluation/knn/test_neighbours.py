import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rhovideo.engine.evaluation.knn import neighbours
from rhovideo.engine.evaluation.knn.neighbours import SameVideos, knn_predict, retrieval_recall


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


def test_useless_settings_are_refused():
    with pytest.raises(ValueError, match=r"KNN\.K"):
        knn_predict(torch.ones(1, 2), torch.ones(1, 2), torch.zeros(1, dtype=torch.int64), k=0)
