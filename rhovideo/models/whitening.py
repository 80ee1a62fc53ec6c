"""Whitening of embeddings: a batch norm that takes the correlations between dimensions away, too."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributed import ProcessGroup

from rhovideo import distributed
from rhovideo.full_precision import outside_autocast

# Of equal embeddings, so that they come out as zeros.
_LEAST_VARIANCE = 1e-8


class GroupWhitening(nn.Module):
    """Embeddings whose dimensions have mean 0, variance 1 and no correlation within each group of dimensions.

    Embeddings of a method without negatives can all move onto one line; whitened ones cannot. The transform is the
    inverse of the covariance's Cholesky factor (Ermolov et al., arXiv 2007.06346), in groups of dimensions, since a
    covariance of D dimensions needs more than D clips (Hua et al., arXiv 2105.00470, whose groups are shuffled).

    In eval mode it uses running statistics, as batch norm does.

    Args:
        num_features: dimensions D of an embedding.
        group_size: dimensions g of a group; a batch should have at least 2g clips.
        eps: added to the variances, as a share of their mean.
        momentum: weight of the new statistics in the running ones.
        synchronised: take the statistics over the batches of several processes, which must be of one size.
        group: those processes; None: all.

    Raises:
        ValueError: ``group_size`` does not divide ``num_features``.
    """

    running_mean: Tensor
    running_covariance: Tensor

    def __init__(
        self,
        num_features: int,
        group_size: int,
        *,
        eps: float = 1e-3,
        momentum: float = 0.1,
        synchronised: bool = False,
        group: ProcessGroup | None = None,
    ) -> None:
        super().__init__()
        if group_size < 1 or num_features % group_size:
            raise ValueError(f"{num_features} dimensions cannot be whitened in groups of {group_size}")
        self.num_features, self.group_size = num_features, group_size
        self.eps, self.momentum = eps, momentum
        self.synchronised = synchronised
        self._shared = distributed.SharedGroup(group)
        groups = num_features // group_size
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_covariance", torch.eye(group_size).repeat(groups, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings [N,D] to whitened ones [N,D], of float32 or wider."""
        with outside_autocast(x.device):
            x = x if x.dtype == torch.float64 else x.float()
            if self.training:
                mean, covariance = self._statistics(self._joined(x))
                self._update_running(mean, covariance)
            else:
                mean, covariance = self.running_mean.to(x.dtype), self.running_covariance.to(x.dtype)
            return self._whiten(x - mean, covariance)

    def _joined(self, x: Tensor) -> Tensor:
        """The embeddings that the statistics are of."""
        return distributed.gather_with_gradient(x, self._shared.group) if self.synchronised else x

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.mean(0)
        grouped = self._grouped(x - mean)
        return mean, grouped.transpose(1, 2) @ grouped / len(x)

    def _whiten(self, centred: Tensor, covariance: Tensor) -> Tensor:
        mean_variance = covariance.diagonal(dim1=1, dim2=2).mean(1).clamp_min(_LEAST_VARIANCE)
        ridge = torch.diag_embed((self.eps * mean_variance)[:, None].expand(-1, self.group_size))
        # The _ex form does not wait for a GPU to say whether it worked; what is not finite is found in the loss.
        factor, _ = torch.linalg.cholesky_ex(covariance + ridge)
        grouped = self._grouped(centred).transpose(1, 2)
        whitened = torch.linalg.solve_triangular(factor, grouped, upper=False)
        return whitened.permute(2, 0, 1).reshape(-1, self.num_features)

    def _grouped(self, x: Tensor) -> Tensor:
        """[N,D] to [D/g,N,g]."""
        return x.unflatten(1, (-1, self.group_size)).transpose(0, 1)

    @torch.no_grad()
    def _update_running(self, mean: Tensor, covariance: Tensor) -> None:
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_covariance.lerp_(covariance.to(self.running_covariance.dtype), self.momentum)

    def extra_repr(self) -> str:
        """Its sizes, for print(model)."""
        return f"{self.num_features}, group_size={self.group_size}, synchronised={self.synchronised}"
