"""An attentive probe: a learned query pools a video's tokens by cross-attention, and a linear layer classifies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rhovideo.engine.probes.feature_set import FeatureSet, ProbeData
from rhovideo.engine.probes.held_out import folds
from rhovideo.engine.probes.kinds import Probed, best_first
from rhovideo.errors import JobError
from rhovideo.randomness import Stream, torch_seed
from rhovideo.seeding import seed_everything

_HEADS = 8
_RATES = (1e-4, 3e-4, 1e-3, 3e-3)
_DECAY = 0.01
_BATCH, _EPOCHS, _LEAST_STEPS = 64, 20, 300


class AttentiveProbe(nn.Module):
    """Cross-attention of one learned query over tokens, then layer norm and a linear classifier.

    It is the pooling of CAE (arXiv 2202.03026) and V-JEPA (arXiv 2404.08471), without V-JEPA's MLP.

    Args:
        dim: size of a token, C.
        classes: of the classifier.
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(1, 1, dim))
        nn.init.trunc_normal_(self.query, std=0.02)
        self.before = nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, _HEADS if dim % _HEADS == 0 else 1, batch_first=True)
        self.after = nn.LayerNorm(dim)
        self.classifier = nn.Linear(dim, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [N, tokens, C] to logits [N, classes]."""
        tokens = self.before(tokens)
        pooled, _ = self.attention(self.query.expand(len(tokens), -1, -1), tokens, tokens, need_weights=False)
        logits: Tensor = self.classifier(self.after(pooled[:, 0]))
        return logits


def probe_attentive(data: ProbeData, device: torch.device, seed: int = 0) -> Probed:
    """Train an attentive probe by AdamW; the learning rate is chosen on a fifth of the training videos.

    Tokens are read from the disk batch by batch.

    Args:
        data: features with tokens.
        device: to compute on.
        seed: of weights, of the order of the videos and of what is held out.

    Raises:
        JobError: the features have no tokens, or are of one training video.
    """
    if not (data.train.has_tokens and data.test.has_tokens):
        raise JobError(
            f"{data.train.folder}: holds pooled features, and an attentive probe needs tokens: extract both lists "
            "with --tokens"
        )
    fold = next(folds(data.train.labels, seed), None)
    if fold is None:
        raise JobError(f"{data.train.folder}: one training video is too few to hold out some: extract a longer list")
    tried: list[dict[str, Any]] = []
    for rate in _RATES:
        probe = _train(data, fold.learn, rate, device, seed)
        classes, _ = _predict(probe, data.train, fold.choose, device)
        right = classes == data.train.labels[fold.choose]
        tried.append({"rate": rate, "held_out": 100 * float(right.mean())})
    tried = best_first(tried)
    rate = tried[0]["rate"]
    probe = _train(data, np.arange(len(data.train.labels)), rate, device, seed)
    found = _predict(probe, data.test, np.arange(len(data.test.labels)), device)
    return Probed(*found, {"rate": rate}, tried)


def _train(data: ProbeData, rows: np.ndarray, rate: float, device: torch.device, seed: int) -> AttentiveProbe:
    seed_everything(Stream.INITIALISATION, seed)
    probe = AttentiveProbe(data.train.dim, data.classes).to(device)
    optimizer = torch.optim.AdamW(probe.parameters(), lr=rate, weight_decay=_DECAY)
    batch = min(_BATCH, len(rows))
    steps = max(_EPOCHS * (len(rows) // batch), _LEAST_STEPS)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    order, place, epoch = np.zeros(0, np.int64), 0, 0
    for _ in range(steps):
        if place + batch > len(order):
            shuffle = torch.Generator().manual_seed(torch_seed(Stream.SHUFFLE, seed, epoch))
            order, place, epoch = rows[torch.randperm(len(rows), generator=shuffle).numpy()], 0, epoch + 1
        # Rising rows are read faster from a disk.
        chosen = np.sort(order[place : place + batch])
        place += batch
        tokens = torch.from_numpy(data.train.take(chosen)).to(device)
        labels = torch.from_numpy(data.train.labels[chosen]).to(device)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(functional.cross_entropy(probe(tokens), labels))
        optimizer.step()
        schedule.step()
    return probe.eval()


@torch.no_grad()
def _predict(
    probe: AttentiveProbe, videos: FeatureSet, rows: np.ndarray, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Classes int64 [n] and their probabilities [n]."""
    parts = [rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH)]
    scores = [probe(torch.from_numpy(videos.take(part)).to(device)).softmax(1).max(1) for part in parts]
    classes = torch.cat([score.indices for score in scores]).cpu().numpy()
    return classes, torch.cat([score.values for score in scores]).cpu().numpy()
