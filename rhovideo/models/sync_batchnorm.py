"""Batch normalisation over the batch of several processes, and the functions that pick a norm for a configuration.

``torch.nn.SyncBatchNorm`` refuses CPU tensors. PyTorchVideo's computes the variance as E[x²]−E[x]², which loses digits,
and keeps a biased running variance. Ours works on any device, and does neither.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from fvcore.common.config import CfgNode
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.nn.modules.batchnorm import _BatchNorm

from rhovideo import distributed
from rhovideo.models.whitening import GroupWhitening

Norm = Callable[..., nn.Module]


def norm_layer(cfg: CfgNode) -> Norm:
    """The function that makes the encoder's batch norms, with the settings of the BN section.

    It is called with ``num_features`` and maybe ``eps`` and ``momentum``. Every process must call ``norm_layer``, in
    the same order.

    Raises:
        ValueError: BN.NORM_TYPE is unknown, or BN.NUM_SYNC_DEVICES does not divide the number of processes.
    """
    kind = cfg.BN.NORM_TYPE
    if kind == "batchnorm":
        return nn.BatchNorm3d
    if kind in ("sync_batchnorm", "sync_batchnorm_apex"):
        return _over_processes(cfg, nn.BatchNorm3d, SyncBatchNorm)
    raise ValueError(f"BN.NORM_TYPE is {kind!r}: write 'batchnorm' or 'sync_batchnorm'")


def mlp_norm_layer(cfg: CfgNode) -> Norm | None:
    """The same for the projection and predictor MLPs, as CONTRASTIVE.BN_MLP and BN_SYNC_MLP say; None: no norm.

    Every process must call it, in the same order.
    """
    return _mlp_norm(cfg) if cfg.CONTRASTIVE.BN_MLP else None


def embedding_norm_layer(cfg: CfgNode) -> Norm | None:
    """The same for the embedding itself, as CONTRASTIVE.BN_EMBEDDING and WHITEN_EMBEDDING say; None: no norm.

    Neither has a scale and a shift. Every process must call it, in the same order.
    """
    node = cfg.CONTRASTIVE
    if node.WHITEN_EMBEDDING:
        whitening = partial(GroupWhitening, group_size=node.WHITEN_EMBEDDING)
        synchronised = partial(whitening, synchronised=True)
        return _over_processes(cfg, whitening, synchronised) if node.BN_SYNC_MLP else whitening
    return partial(_mlp_norm(cfg), affine=False) if node.BN_EMBEDDING else None


def _mlp_norm(cfg: CfgNode) -> Norm:
    return _over_processes(cfg, nn.BatchNorm1d, SyncBatchNorm) if cfg.CONTRASTIVE.BN_SYNC_MLP else nn.BatchNorm1d


def _over_processes(cfg: CfgNode, alone: Norm, synchronised: Norm) -> Norm:
    """``synchronised`` for the processes that share statistics as BN says; ``alone`` where each has its own."""
    if cfg.BN.GLOBAL_SYNC:
        return synchronised
    if cfg.BN.NUM_SYNC_DEVICES <= 1:
        return alone
    return partial(synchronised, group=distributed.neighbour_group(cfg.BN.NUM_SYNC_DEVICES))


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation with the statistics of all processes of a group.

    In training, the result and the gradients are those of one process with ``torch.nn.BatchNorm*d`` on the batches of
    all processes joined, which may differ in size. ``running_var`` takes the unbiased variance over the global count.
    In eval mode, or with one process, it does what torch's batch norm does. The state has the names of torch's batch
    norm.

    Args:
        num_features: channels C.
        eps: added to the variance.
        momentum: weight of the new statistics in the running ones; None: a cumulative average.
        affine: learn a scale and a shift.
        track_running_stats: keep running statistics.
        group: the processes that share statistics; None: all.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        group: ProcessGroup | None = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats)
        self._shared = distributed.SharedGroup(group)

    def _check_input_dim(self, input: Tensor) -> None:
        if not 2 <= input.dim() <= 5 or input.shape[1] != self.num_features:
            raise ValueError(
                f"SyncBatchNorm({self.num_features}) takes [N,{self.num_features}] or [N,{self.num_features},...] "
                f"with up to 5 dimensions, not {list(input.shape)}"
            )

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x`` [N,C] or [N,C,...] over all dimensions but C, and over the group's processes."""
        group = self._shared.group
        if not self.training or distributed.group_size(group) == 1:
            return super().forward(x)
        self._check_input_dim(x)
        mean, variance, count = _global_statistics(x.detach(), group)
        if self.track_running_stats:
            self._update_running(mean, variance, count)
        return _Normalise.apply(x, self.weight, self.bias, mean, variance, count, self.eps, group)

    @torch.no_grad()
    def _update_running(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        # The type checker does not know that they are there with track_running_stats.
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        unbiased = variance * (count / (count - 1).clamp(min=1))
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)


def _global_statistics(x: Tensor, group: ProcessGroup | None) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [C], biased variance [C] and count [] of ``x`` over the group: first the mean, then the deviations."""
    channels = x.shape[1]
    dtype = torch.promote_types(x.dtype, torch.float32)
    count = x.numel() // channels
    dims = _all_but_channels(x)
    own_mean = x.mean(dims, dtype=dtype) if count else x.new_zeros(channels, dtype=dtype)
    total = distributed.sum_over_ranks(torch.cat([own_mean * count, own_mean.new_full((1,), count)]), group)
    global_count = total[-1]
    mean = total[:-1] / global_count
    deviations = (x - _per_channel(mean, x)).square_().sum(dims)
    return mean, distributed.sum_over_ranks(deviations, group) / global_count, global_count


class _Normalise(torch.autograd.Function):
    """Normalise with the group's statistics; in the backward pass these depend on every process's input."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        count: Tensor,
        eps: float,
        group: ProcessGroup | None,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(variance + eps), count)
        ctx.group = group
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse_std, count = ctx.saved_tensors
        dims = _all_but_channels(x)
        scaled = (x - _per_channel(mean, x)) * _per_channel(inverse_std, x)
        gradient = gradient.to(scaled.dtype)
        own = torch.stack([gradient.sum(dims), (gradient * scaled).sum(dims)])
        mean_gradient, mean_product = distributed.sum_over_ranks(own, ctx.group) / count
        of_input = None
        if ctx.needs_input_grad[0]:
            of_input = gradient - _per_channel(mean_gradient, x) - scaled * _per_channel(mean_product, x)
            scale = inverse_std if weight is None else inverse_std * weight
            of_input = (of_input * _per_channel(scale, x)).to(x.dtype)
        of_bias, of_weight = own if weight is not None else (None, None)
        return of_input, of_weight, of_bias, None, None, None, None, None


def _all_but_channels(x: Tensor) -> list[int]:
    return [0, *range(2, x.dim())]


def _per_channel(values: Tensor, x: Tensor) -> Tensor:
    """``values`` [C] shaped to broadcast over ``x`` [N,C,...]."""
    return values.view(1, -1, *[1] * (x.dim() - 2))
