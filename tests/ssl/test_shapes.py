"""Empty tensors are refused in words that name the argument."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from rhovideo.ssl import BYOL, MoCo, Queue, SimCLR, SwAV, diagnostics, losses

ROWS, NO_ROWS = torch.ones(2, 4), torch.ones(0, 4)
VIEWS, NO_VIDEOS = torch.ones(3, 2, 4), torch.ones(3, 0, 4)


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (losses.multi_positive_nce, (NO_ROWS, NO_VIDEOS, ROWS, 0.1), "queries"),
        (losses.multi_positive_nce, (ROWS, torch.ones(0, 2, 4), ROWS, 0.1), "positives"),
        (losses.separate_positive_nce, (NO_ROWS, NO_VIDEOS, ROWS, 0.1), "queries"),
        (losses.separate_positive_nce, (ROWS, torch.ones(0, 2, 4), ROWS, 0.1), "positives"),
        (losses.negative_cosine, (NO_ROWS, NO_VIDEOS), "predictions"),
        (losses.negative_cosine, (ROWS, torch.ones(0, 2, 4)), "keys"),
        (losses.clip_nce, (NO_VIDEOS, NO_VIDEOS, 0, 0.1), "views"),
        (losses.clip_nce, (VIEWS, NO_VIDEOS, 0, 0.1), "everyone"),
        (losses.clip_nce, (VIEWS[:1], VIEWS[:1], 0, 0.1), "views"),
        (losses.swapped_prediction, (NO_VIDEOS, NO_VIDEOS, 0.1), "scores"),
        (losses.swapped_prediction, (VIEWS, VIEWS[:0], 0.1), "codes"),
        (losses.swapped_prediction, (VIEWS[:1], VIEWS[:1], 0.1), "scores"),
        (diagnostics.embedding_std, (NO_ROWS,), "embeddings"),
        (diagnostics.similarity_to_keys, (NO_ROWS, NO_VIDEOS), "queries"),
        (diagnostics.similarity_to_keys, (ROWS, torch.ones(0, 2, 4)), "keys"),
        (diagnostics.similarity_to_queue, (ROWS, VIEWS, NO_ROWS), "queue"),
        (diagnostics.positive_similarity, (NO_VIDEOS,), "views"),
        (diagnostics.negative_similarity, (NO_VIDEOS,), "views"),
        (diagnostics.negative_similarity, (VIEWS[:0],), "views"),
        (diagnostics.uniformity, (NO_ROWS,), "embeddings"),
        (diagnostics.effective_rank, (NO_ROWS,), "embeddings"),
        (diagnostics.collapse_signals, (NO_ROWS, torch.ones(()), torch.ones(())), "embeddings"),
        (diagnostics.spread_signals, (NO_ROWS, torch.ones(())), "embeddings"),
        (diagnostics.contrast_top1, (torch.ones(0), NO_ROWS), "positive"),
        (diagnostics.prototype_signals, (NO_VIDEOS, NO_VIDEOS, 0.1), "scores"),
        (diagnostics.prototype_signals, (VIEWS, VIEWS[:0], 0.1), "codes"),
    ],
)
def test_an_empty_argument_is_named(function, arguments, named):
    with pytest.raises(ValueError, match=rf"^{named} is .*at least"):
        function(*arguments)


@pytest.mark.parametrize(("length", "dim", "named"), [(0, 4, "length"), (-1, 4, "length"), (8, 0, "dim")])
def test_a_queue_needs_rows_and_a_size(length, dim, named):
    with pytest.raises(ValueError, match=rf"{named} is {(length, dim)[named == 'dim']}: .* at least 1"):
        Queue(length, dim)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (torch.ones(0, 4), "keys is empty, of shape [0, 4]"),
        (torch.ones(2, 1), "keys are [2, 1]: this queue takes [B, 4]"),
        (torch.ones(4), "keys are [4]: this queue takes [B, 4]"),
    ],
)
def test_a_queue_names_keys_that_it_cannot_take(keys, message):
    queue = Queue(8, 4)
    before = queue.keys.clone()
    with pytest.raises(ValueError, match=re.escape(message)):
        queue.enqueue(keys)
    assert torch.equal(queue.keys, before)
    assert queue.pointer == 0


def method(kind: type[nn.Module]) -> nn.Module:
    parts = (nn.Sequential(nn.Flatten(), nn.Linear(12, 8)), nn.Linear(8, 4))
    return {
        SimCLR: lambda: SimCLR(*parts),
        MoCo: lambda: MoCo(*parts, 4, 8),
        BYOL: lambda: BYOL(*parts, nn.Linear(4, 4)),
        SwAV: lambda: SwAV(*parts, 4),
    }[kind]()


@pytest.mark.parametrize("kind", [SimCLR, MoCo, BYOL, SwAV])
def test_a_method_names_an_empty_batch(kind):
    views: list[Tensor] = [torch.ones(0, 3, 1, 2, 2)] * 2
    with pytest.raises(ValueError, match=r"views\[0\] is empty, of shape \[0, 3, 1, 2, 2\]"):
        list(method(kind).losses(views))
