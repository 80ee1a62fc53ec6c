"""MoCo's loss as others compute it: queries [B,D], positives [P,B,D] and a queue [N,D] of unit rows to a scalar."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def separate_peers(queue: Tensor, temperature: float) -> dict[str, Loss]:
    """By name, those that compute one cross-entropy a positive, averaged; ``queue`` is what they are called with."""

    def joined(queries: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        scores = queries @ negatives.T
        labels = torch.zeros(len(queries), dtype=torch.long)
        losses = []
        for keys in positives:
            own = (queries * keys).sum(dim=1, keepdim=True)
            losses.append(F.cross_entropy(torch.cat([own, scores], dim=1) / temperature, labels))
        return torch.stack(losses).mean()

    def alone(queries: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        return torch.stack([joined(queries, keys[None], negatives) for keys in positives]).mean()

    found: dict[str, Loss] = {"joined per positive": joined, "a whole loss per positive": alone}
    lightly = _lightly(queue, temperature)
    return found if lightly is None else {**found, "lightly": lightly}


def multi_peers(temperature: float) -> dict[str, Loss]:
    """By name, those that sum the positives inside the logarithm."""

    def joined(queries: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        own = torch.einsum("bd,pbd->bp", queries, positives) / temperature
        everything = torch.cat([own, queries @ negatives.T / temperature], dim=1)
        return (everything.logsumexp(dim=1) - own.logsumexp(dim=1)).mean()

    return {"joined once": joined}


def _lightly(queue: Tensor, temperature: float) -> Loss | None:
    """NTXentLoss once a positive; it also copies its memory bank and enqueues the positives, which it can't leave."""
    try:
        from lightly.loss import NTXentLoss
    except ImportError:
        return None
    nt_xent = NTXentLoss(temperature, memory_bank_size=tuple(queue.shape))
    nt_xent.memory_bank.bank.copy_(queue)

    def loss(queries: Tensor, positives: Tensor, _: Tensor) -> Tensor:
        return torch.stack([nt_xent(queries, keys) for keys in positives]).mean()

    return loss
