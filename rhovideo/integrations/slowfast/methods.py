"""Our four methods as models of PySlowFast's, on PySlowFast's networks.

PySlowFast's training loop calls every model as ``model(inputs)``, except if MODEL.MODEL_NAME is ContrastiveModel. Then
it calls ``contrastive_forward`` with the videos' indices and the exact epoch; heads give embeddings, data come clip by
clip, and the evaluation uses nearest neighbours. So when one of our methods is built, it writes that name into the
configuration, together with TASK and CONTRASTIVE.TYPE. Only ``contrastive_forward`` is replaced by ours.

The loss in PySlowFast's log is the one that is stepped on. In the released form of MoCo, BYOL and SimCLR it is 2 rho
times the number that PySlowFast's model logs. The error rates in training have no meaning.

The state has the names of PySlowFast's ContrastiveModel. So its checkpoints can be fine-tuned there
(``CHECKPOINT_CLEAR_NAME_PATTERN: ("backbone.",)``), and ``rhovideo.load_pretrained`` reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo import distributed
from rhovideo.full_precision import outside_autocast
from rhovideo.integrations.slowfast.bank import Bank
from rhovideo.integrations.slowfast.network import build_network
from rhovideo.integrations.slowfast.settings import our_settings
from rhovideo.integrations.slowfast.state_names import to_our_names, to_their_names
from rhovideo.ssl.build import build_byol, build_moco, build_simclr, build_swav

# PySlowFast's loop counts how often column 0 is among the largest five.
_COLUMNS = 5


class SlowFastMethod(nn.Module):
    """One of our methods with the interface that PySlowFast's loop needs.

    Args:
        method: see :class:`rhovideo.ssl.interface.Method`.
        epochs: SOLVER.MAX_EPOCH.
        bank: for PySlowFast's nearest-neighbour evaluation (CONTRASTIVE.KNN_ON); None: without.
    """

    def __init__(self, method: nn.Module, epochs: float, bank: Bank | None) -> None:
        super().__init__()
        self.method: Any = method
        self.epochs, self.knn_mem = epochs, bank
        self.train_labels: Tensor | None = None
        self.register_state_dict_post_hook(to_their_names)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(to_our_names)  # type: ignore[no-untyped-call]

    def forward(
        self, inputs: list[Tensor], index: Tensor | None = None, *_: Any, **__: Any
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Embeddings [N, D] of pathways; in evaluation with an ``index``, the nearest training videos.

        Args:
            inputs: the pathways [N,3,T,H,W].
            index: the numbers of the videos; None: only the embeddings are wanted.

        Returns:
            Embeddings, or the similarities and rows [N, K] of the nearest training videos.
        """
        embeddings: Tensor = self.method.embed(_fast(inputs))
        if index is None or self.training or self.knn_mem is None:
            return embeddings
        return self.knn_mem.nearest(embeddings)

    def init_knn_labels(self, train_loader: Any) -> None:
        """Keep the classes of the training videos; called by PySlowFast before it starts, with CONTRASTIVE.KNN_ON."""
        device = next(self.parameters()).device
        self.train_labels = torch.as_tensor(train_loader.dataset._labels, dtype=torch.long).to(device)
        if self.knn_mem is not None:
            self.knn_mem.fit(len(self.train_labels))

    def step(self, clips: list[list[Tensor]], index: Tensor, epoch: float, scaler: Any) -> Tensor:
        """Back-propagate the losses of a batch, average the gradients over the processes, and return the loss.

        Args:
            clips: a list over the views of lists over the pathways of [B,3,T,H,W].
            index: int64 [B], numbers of the videos in the training set.
            epoch: epochs done, with fraction.
            scaler: the loop's gradient scaler.

        Returns:
            The loss, averaged over processes, [] float32.
        """
        views = [_fast(clip) for clip in clips]
        total = torch.zeros((), device=views[0].device)
        # This calls the module itself, not DistributedDataParallel around it, which averages the gradients of the first
        # backward pass only.
        for loss in self.method.losses(views, epoch / self.epochs):
            with outside_autocast(loss.device):
                scaler.scale(loss).backward()
            total += loss.detach().float()
        distributed.average_gradients(self.method.parameters())
        if self.train_labels is not None and self.knn_mem is not None:
            self.knn_mem.update(self.method.embeddings, index)
        return distributed.mean_over_ranks(total)

    def after_backward(self, epoch: float, step: int) -> bool:
        """The method's ``after_backward``.

        Args:
            epoch: epochs done, with fraction.
            step: steps since the start of the epoch; it is used in the first epoch only.
        """
        return bool(self.method.after_backward(epoch / self.epochs, step))


def _fast(inputs: Any) -> Tensor:
    """The pathway with all frames, from which the network makes the other one; of several clips, that of the last."""
    while isinstance(inputs, list | tuple):
        inputs = inputs[-1]
    return inputs


def forward_and_backward(
    original: Callable[..., Any],
    model: nn.Module,
    cfg: CfgNode,
    inputs: list[list[Tensor]],
    index: Tensor,
    time: Tensor,
    epoch_exact: float,
    scaler: Any,
) -> tuple[nn.Module, Tensor, Tensor, bool]:
    """Our counterpart of PySlowFast's ``contrastive_forward``: model, scores, loss, whether a backward pass is due."""
    ours = getattr(model, "module", model)
    if not isinstance(ours, SlowFastMethod):
        return original(model, cfg, inputs, index, time, epoch_exact, scaler)
    loss = ours.step(inputs, index, epoch_exact, scaler)
    # PySlowFast's loop counts errors of scores. There is no classification here, so all scores are made right.
    scores = torch.zeros(len(index), _COLUMNS, device=loss.device)
    scores[:, 0] = 1.0
    return model, scores, loss, False


def parameter_surgery(
    original: Callable[..., Any], model: nn.Module, cfg: CfgNode, epoch_exact: float, cur_iter: int
) -> tuple[nn.Module, bool]:
    """Our counterpart of PySlowFast's ``contrastive_parameter_surgery``: model, whether the optimizer may step."""
    ours = getattr(model, "module", model)
    if not isinstance(ours, SlowFastMethod):
        return original(model, cfg, epoch_exact, cur_iter)
    return model, ours.after_backward(epoch_exact, cur_iter)


def _build(cfg: CfgNode, kind: str, build: Callable[..., nn.Module]) -> SlowFastMethod:
    frozen = cfg.is_frozen()
    cfg.defrost()
    cfg.TASK, cfg.MODEL.MODEL_NAME, cfg.CONTRASTIVE.TYPE = "ssl", "ContrastiveModel", kind
    if frozen:
        cfg.freeze()
    network, predictor = build_network(cfg)
    parts = {"encoder": network, "projection": nn.Identity()}
    if kind == "byol":
        if predictor is None:
            raise ValueError("CONTRASTIVE.PREDICTOR_DEPTHS is empty: BYOL needs a predictor, write [2]")
        parts["predictor"] = predictor
    bank = Bank(cfg.CONTRASTIVE.LENGTH, network.dim) if cfg.CONTRASTIVE.KNN_ON else None
    return SlowFastMethod(build(our_settings(cfg), **parts), cfg.SOLVER.MAX_EPOCH, bank)


def RhoSimCLR(cfg: CfgNode) -> SlowFastMethod:
    """SimCLR over rho clips (MODEL.MODEL_NAME RhoSimCLR)."""
    return _build(cfg, "simclr", build_simclr)


def RhoMoCo(cfg: CfgNode) -> SlowFastMethod:
    """MoCo over rho clips (MODEL.MODEL_NAME RhoMoCo)."""
    return _build(cfg, "moco", build_moco)


def RhoBYOL(cfg: CfgNode) -> SlowFastMethod:
    """BYOL over rho clips (MODEL.MODEL_NAME RhoBYOL)."""
    return _build(cfg, "byol", build_byol)


def RhoSwAV(cfg: CfgNode) -> SlowFastMethod:
    """SwAV over rho clips (MODEL.MODEL_NAME RhoSwAV)."""
    return _build(cfg, "swav", build_swav)


MODELS = (RhoSimCLR, RhoMoCo, RhoBYOL, RhoSwAV)
