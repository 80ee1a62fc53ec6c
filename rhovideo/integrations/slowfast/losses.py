"""SimCLR's loss over rho clips for models that PySlowFast calls as ``model(inputs)``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rhovideo.distributed import gather, gather_with_gradient, rank
from rhovideo.ssl.losses import full_precision, unit


class RhoContrastiveLoss(nn.Module):
    """Equation 1 of the paper: clips of the same video are positives, clips of other videos are negatives.

    With MODEL.LOSS_FUNC rho_contrastive, the data set rhovideo labels every clip with the number of its video. So this
    loss can train any model of PySlowFast's whose head gives embeddings: MODEL.NUM_CLASSES is their size, and
    MODEL.HEAD_ACT is none. Negatives come from all processes.

    Args:
        reduction: "mean".
        temperature: alpha in the paper; None: CONTRASTIVE.T of the data set that was made last.

    Raises:
        ValueError: another reduction is asked for.
    """

    # PySlowFast makes a loss without the configuration. So the data set, whose labels this loss needs, puts its
    # CONTRASTIVE.T here.
    temperature_of_data_set = 0.1

    def __init__(self, reduction: str = "mean", temperature: float | None = None) -> None:
        super().__init__()
        if reduction != "mean":
            raise ValueError(f"reduction is {reduction!r}: only mean is there")
        self.temperature = self.temperature_of_data_set if temperature is None else temperature

    def forward(self, embeddings: Tensor, videos: Tensor) -> Tensor:
        """The mean over the rows of -log(sum over positives / sum over positives and negatives).

        Args:
            embeddings: [N, D], of any length.
            videos: int [N], equal for clips of the same video, which has two clips or more.

        Raises:
            ValueError: a video has a single clip.
        """
        z = unit(embeddings)
        return _nce(z, gather_with_gradient(z), videos, gather(videos), rank() * len(z), self.temperature)


@full_precision
def _nce(z: Tensor, everyone: Tensor, videos: Tensor, all_videos: Tensor, first: int, temperature: float) -> Tensor:
    itself = torch.zeros(len(z), len(everyone), dtype=torch.bool, device=z.device)
    rows = torch.arange(len(z), device=z.device)
    itself[rows, first + rows] = True
    positive = (videos[:, None] == all_videos[None]) & ~itself
    if not positive.any(dim=1).all():
        raise ValueError("MODEL.LOSS_FUNC rho_contrastive: a video has one clip: write DATA.TRAIN_CROP_NUM_TEMPORAL 2")
    scores = z @ everyone.T / temperature
    numerator = scores.masked_fill(~positive, -torch.inf).logsumexp(dim=1)
    return (scores.masked_fill(itself, -torch.inf).logsumexp(dim=1) - numerator).mean()
