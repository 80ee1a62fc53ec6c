import logging

import numpy as np
import pytest
import torch

from rhovideo.engine.evaluation.scores import MultiViewScores, write_scores


@pytest.mark.parametrize("method", ["sum", "max"])
def test_views_are_combined_over_batches(method):
    rng = np.random.default_rng(0)
    scores, labels = rng.random((6, 4, 3)), rng.integers(0, 3, 6)
    collected = MultiViewScores(6, 4, method)
    order = torch.tensor([4, 0, 3, 5, 1, 2])
    for part in (slice(0, 1), slice(1, 4)):  # a video's views may come apart
        for indices in order.split(2):
            collected.add(indices, torch.from_numpy(scores[indices.numpy(), part]), torch.from_numpy(labels)[indices])
    result = collected.finish()
    expected = scores.mean(1) if method == "sum" else scores.max(1)
    np.testing.assert_allclose(result.scores, expected, rtol=1e-6)
    assert result.indices.tolist() == list(range(6))
    assert result.labels.tolist() == labels.tolist()
    assert result.missing == ()
    assert result.top1 == pytest.approx(100 * np.mean(expected.argmax(1) == labels))
    assert result.top5 == 100.0


def test_a_video_that_lacks_views_is_left_out_and_named(caplog):
    collected = MultiViewScores(3, 2)
    collected.add(torch.tensor([0]), torch.tensor([[[0.9, 0.1], [0.8, 0.2]]]), torch.tensor([0]))
    collected.add(torch.tensor([1]), torch.tensor([[[0.9, 0.1]]]), torch.tensor([1]))
    unreadable = torch.zeros(1, 2, 2)
    collected.add(torch.tensor([2]), unreadable, torch.tensor([1]), valid=torch.tensor([False]))
    with caplog.at_level(logging.WARNING):
        result = collected.finish()
    assert (result.missing, result.top1) == ((1, 2), 100.0)
    assert "rows 1, 2 of the list" in caplog.text


def test_mixed_up_views_are_refused():
    collected = MultiViewScores(2, 2)
    collected.add(torch.tensor([0]), torch.rand(1, 2, 3), torch.tensor([1]))
    with pytest.raises(ValueError, match="tested twice"):
        collected.add(torch.tensor([0]), torch.rand(1, 1, 3), torch.tensor([1]))
    with pytest.raises(ValueError, match="mixed up"):
        collected.add(torch.tensor([0]), torch.rand(1, 1, 3), torch.tensor([2]))
    with pytest.raises(ValueError, match="sum or max"):
        MultiViewScores(2, 2, "mean")


def test_scores_are_written_with_their_videos(tmp_path):
    collected = MultiViewScores(3, 1)
    collected.add(torch.tensor([2, 0]), torch.tensor([[[0.2, 0.8]], [[0.7, 0.3]]]), torch.tensor([1, 1]))
    path = tmp_path / "new" / "scores.npz"
    write_scores(path, collected.finish(), ["a.mp4", "b.mp4", "ö c.mp4"])
    with np.load(path) as file:
        assert file["paths"].tolist() == ["a.mp4", "ö c.mp4"]
        np.testing.assert_allclose(file["scores"], [[0.7, 0.3], [0.2, 0.8]], rtol=1e-6)
        assert (file["labels"].tolist(), file["missing"].tolist(), float(file["top1"])) == ([1, 1], [1], 50.0)
    assert [p.name for p in path.parent.iterdir()] == ["scores.npz"]


def test_nothing_tested_is_no_crash():
    result = MultiViewScores(2, 3).finish()
    assert result.missing == (0, 1)
    assert np.isnan(result.top1)
