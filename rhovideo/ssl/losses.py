"""The four losses, as pure functions of embeddings.

Embeddings are rows of unit length [B, D]. V is the number of views of a video (ρ clips times spatial crops), B the
batch of this process, G the global batch. Every loss is a scalar. It is computed in float32, also under autocast, or in
float64 where its input is. "The paper" is Feichtenhofer et al., "A Large-Scale Study on Unsupervised Spatiotemporal
Representation Learning" (arXiv 2104.14558); "released" is its public code, where that differs.

Example, in any loop::

    queries, keys = unit(model(clips_1)), unit(momentum_model(clips_2)).detach()
    loss = multi_positive_nce(queries, keys[None], queue, temperature=0.1)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from rhovideo.full_precision import outside_autocast
from rhovideo.ssl.memory.queue_softmax import attend
from rhovideo.ssl.shapes import require_not_empty, require_views

P = ParamSpec("P")
R = TypeVar("R")


def full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Run ``function`` outside of autocast, its half-precision tensor arguments turned into float32."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> R:
        with outside_autocast(next(a.device for a in (*args, *kwargs.values()) if isinstance(a, Tensor))):
            return function(*map(_widen, args), **{name: _widen(value) for name, value in kwargs.items()})

    return wrapped


def _widen(value: Any) -> Any:
    narrow = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if narrow else value


@full_precision
def unit(x: Tensor) -> Tensor:
    """Rows of ``x`` [..., D] scaled to unit length, in float32 or float64."""
    return F.normalize(x, dim=-1)


@full_precision
def products(x: Tensor, rows: Tensor) -> Tensor:
    """Inner products of ``x`` [..., D] with every one of ``rows`` [K, D]: [..., K]."""
    return x @ rows.T


@full_precision
def log_sum_of_negatives(queries: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """``log Σ_k exp(q·k/α)`` of every query over the negatives: the part that all positives of a query share.

    If the negatives take no gradient, like those of a queue, nothing of size N is kept for the backward pass. The
    gradient is the mean of the negatives under the softmax, [B, D]. It is computed in the forward pass, while the
    negatives are in the cache (:func:`rhovideo.ssl.memory.queue_softmax.attend`). The result can then be differentiated
    once.

    Args:
        queries: [B, D].
        negatives: [N, D].
        temperature: α.

    Returns:
        [B]. A backward pass with ``create_graph=True`` raises a RuntimeError where the negatives take no gradient.
    """
    if negatives.requires_grad or not len(negatives):
        return (queries @ negatives.T / temperature).logsumexp(dim=1)
    log_sums: Tensor = _LogSumOfConstants.apply(queries / temperature, negatives)
    return log_sums


class _LogSumOfConstants(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, negatives: Tensor) -> Tensor:
        log_sums, means = attend(queries, negatives)
        ctx.save_for_backward(means)
        return log_sums

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # torch's once_differentiable lets torch.autograd.grad leave this part of a second derivative out.
        if torch.is_grad_enabled():
            raise RuntimeError(
                "a loss over a queue can be differentiated once only: leave out create_graph=True, or give it "
                "negatives that require gradients"
            )
        (means,) = ctx.saved_tensors
        return gradient[:, None] * means, None


def _scores_of_own(queries: Tensor, positives: Tensor) -> Tensor:
    """Inner products of ``queries`` [B, D] with their own rows of ``positives`` [P, B, D]: [P, B]."""
    if positives.dim() != 3 or positives.shape[1:] != queries.shape:
        raise ValueError(
            f"positives are {list(positives.shape)} for queries of {list(queries.shape)}: give [P, B, D] and [B, D], "
            "for one key a query keys[None]"
        )
    scores: Tensor = torch.linalg.vecdot(queries, positives)
    return scores


@full_precision
def multi_positive_nce(queries: Tensor, positives: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Equation 1 of the paper with the negatives of a queue (MoCo).

    ``L_q = -log( Σ_{k∈k+} exp(q·k/α) / (Σ_{k∈k+} exp(q·k/α) + Σ_{k∈k-} exp(q·k/α)) )``, averaged over the queries.

    Args:
        queries: [B, D], unit rows.
        positives: [P, B, D], the P keys of each query's video.
        negatives: [N, D], shared by all queries.
        temperature: α.

    Raises:
        ValueError: the shapes do not fit each other, or there are no queries or no positives.
    """
    require_not_empty(queries=queries, positives=positives)
    positive = (_scores_of_own(queries, positives) / temperature).logsumexp(dim=0)
    return -F.logsigmoid(positive - log_sum_of_negatives(queries, negatives, temperature)).mean()


@full_precision
def separate_positive_nce(queries: Tensor, positives: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """The released MoCo loss: one cross-entropy for each positive by itself, averaged.

    ``L_q = mean over k∈k+ of -log( exp(q·k/α) / (exp(q·k/α) + Σ_{k'∈k-} exp(q·k'/α)) )``, averaged over the queries.
    With one positive it equals :func:`multi_positive_nce`.

    Args:
        queries: [B, D], unit rows.
        positives: [P, B, D], the P keys of each query's video.
        negatives: [N, D], shared by all queries.
        temperature: α.

    Raises:
        ValueError: the shapes do not fit each other, or there are no queries or no positives.
    """
    require_not_empty(queries=queries, positives=positives)
    positive = _scores_of_own(queries, positives) / temperature
    return -F.logsigmoid(positive - log_sum_of_negatives(queries, negatives, temperature)).mean()


@full_precision
def clip_nce(views: Tensor, everyone: Tensor, first: int, temperature: float) -> Tensor:
    """Equation 1 of the paper with the other videos' clips of the global batch as negatives (SimCLR).

    ``L_q = -log( Σ_{k∈k+} exp(q·k/α) / Σ_{k∈k+∪k-} exp(q·k/α) )`` for every clip q of this process; k+ are the other
    clips of its video, k- all clips of all other videos. Averaged over the queries. With two views this is NT-Xent.

    Args:
        views: [V, B, D], unit rows; V >= 2.
        everyone: [V, G, D], the same views of the global batch.
        first: the row of ``everyone`` where this process's videos begin.
        temperature: α.

    Raises:
        ValueError: there are fewer than two views, or no videos.
    """
    require_views(views=views, everyone=everyone)
    num_views, batch, _ = views.shape
    scores = torch.einsum("vbd,wgd->vbwg", views, everyone) / temperature
    rows = torch.arange(batch, device=views.device)
    # Not by assigning True to places of a mask: on a GPU the host would wait to copy that True.
    same_video = torch.arange(everyone.shape[1], device=views.device) == first + rows[:, None]
    same_view = torch.eye(num_views, dtype=torch.bool, device=views.device)
    itself = same_view[:, None, :, None] & same_video[None, :, None, :]
    positive = same_video[None, :, None, :] & ~itself
    numerator = scores.masked_fill(~positive, -torch.inf).flatten(2).logsumexp(dim=2)
    denominator = scores.masked_fill(itself, -torch.inf).flatten(2).logsumexp(dim=2)
    return (denominator - numerator).mean()


@full_precision
def negative_cosine(predictions: Tensor, keys: Tensor, scale: float = 2.0) -> Tensor:
    """Equation 2 of the paper (BYOL): ``L_q = -2 · mean over k∈k+ of cos(q, k)``, averaged over the queries.

    Up to a constant it is the squared distance of unit vectors. The released code divides by the temperature
    instead: ``scale = 1 / T``.

    Args:
        predictions: [B, D], unit rows, the predictor's output.
        keys: [P, B, D], unit rows of the momentum encoder.
        scale: the factor before the cosine.

    Raises:
        ValueError: the shapes do not fit each other, or there are no predictions or no keys.
    """
    require_not_empty(predictions=predictions, keys=keys)
    return -scale * _scores_of_own(predictions, keys).mean()


@full_precision
def swapped_prediction(scores: Tensor, codes: Tensor, temperature: float) -> Tensor:
    """Equation 3 of the paper as trained (SwAV): ``L = mean over (v, k), v≠k of -Σ SK(k̃)·log softmax(q̃_v/α)``.

    The codes of view k are predicted from the scores of every other view v. The entropy of the codes, a constant in
    D_KL, is left out. Averaged over the pairs and the batch.

    Args:
        scores: [V, B, K], the embeddings' products with the K prototypes; V >= 2.
        codes: [C, B, K], C <= V: Sinkhorn-Knopp's codes of the first C views, without gradient; the paper's loss
            takes those of all V views, the released code those of the first two.
        temperature: α.

    Raises:
        ValueError: there are fewer than two views, or no videos, prototypes or codes.
    """
    require_views(scores=scores)
    require_not_empty(codes=codes)
    log_probability = F.log_softmax(scores / temperature, dim=2)
    cross_entropy = -torch.einsum("cbk,vbk->cv", codes, log_probability) / scores.shape[1]
    # The V-1 other views of each row. A mask would do, but the host would wait for the device to count its entries.
    own = torch.arange(len(codes), device=scores.device)[:, None]
    others = torch.arange(len(scores) - 1, device=scores.device)
    return cross_entropy.gather(1, others + (others >= own)).mean()
