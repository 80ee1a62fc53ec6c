"""An encoder with a linear classifier: the linear protocol, fine-tuning and testing."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from rhovideo.models.encoder import Encoder
from rhovideo.models.heads import ClassificationHead

SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda logits: logits.softmax(dim=-1),
    "sigmoid": torch.sigmoid,
    "none": lambda logits: logits,
}


class Classifier(nn.Module):
    """Scores of K classes for a clip.

    - With ``detach`` the encoder is not trained: it builds no graph, and its parameters need no gradient.
    - With ``frozen_norm`` the running statistics of its batch norms stay as they are.
    - With both, the whole encoder is in eval mode: the linear protocol on frozen features.
    - With ``detach`` alone the encoder stays in training mode, so its batch norms use the batch's statistics and update
      the running ones. The released code does this.

    Args:
        encoder: clips to features, an :class:`Encoder` or anything with ``dim``.
        head: features to logits.
        train_crop: side of the training crops in pixels; larger test crops are scored window by window.
        detach: train the head alone.
        frozen_norm: keep the encoder's batch norms (with ``detach``: all of the encoder) in eval mode.
        activation: "softmax", "sigmoid" or "none", which makes test scores of logits.

    Raises:
        ValueError: the activation is unknown.
    """

    def __init__(
        self,
        encoder: Encoder,
        head: ClassificationHead,
        *,
        train_crop: int,
        detach: bool = False,
        frozen_norm: bool = False,
        activation: str = "softmax",
    ) -> None:
        super().__init__()
        if activation not in SCORES:
            raise ValueError(f"MODEL.HEAD_ACT is {activation!r}: write one of {', '.join(SCORES)}")
        self.encoder = encoder
        self.head = head
        # An encoder that was registered may have no local features: then the whole clip is the one window.
        self.window = math.ceil(train_crop / encoder.stride) if hasattr(encoder, "window_features") else None
        self.detach = detach
        self.frozen_norm = frozen_norm
        self.activation = activation
        if detach:
            self.encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> Classifier:
        """Training mode for all parts that are trained; frozen parts stay in eval mode."""
        super().train(mode)
        if mode and self.frozen_norm:
            frozen: list[nn.Module] = [self.encoder] if self.detach else _batch_norms(self.encoder)
            for module in frozen:
                module.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Clips [N,3,T,H,W] to logits [N,K]."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            features = self.encoder(x)
        return self.head(features)

    def scores(self, x: Tensor) -> Tensor:
        """Clips [N,3,T,H,W] to scores [N,K], as the released code tests; call it in eval mode.

        Features are pooled over windows of the training crop's size. Each window is scored, and the windows' scores
        (not their logits) are averaged.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            if self.window is None:
                features = self.encoder(x)[:, :, None, None]
            else:
                features = self.encoder.window_features(x, self.window)
        logits = self.head(features.permute(0, 2, 3, 1))
        return SCORES[self.activation](logits).mean(dim=(1, 2))


def _batch_norms(module: nn.Module) -> list[nn.Module]:
    return [part for part in module.modules() if isinstance(part, _BatchNorm)]
