"""Our four methods as models of PySlowFast's, on PySlowFast's networks.

Its training loop calls any model as ``model(inputs)`` but one: where MODEL.MODEL_NAME is ContrastiveModel, it goes
through ``contrastive_forward`` with the videos' indices and the exact epoch, its heads give embeddings, its data come
clip by clip, and its evaluation asks for nearest neighbours. So building one of ours writes that name into the
configuration, together with TASK and CONTRASTIVE.TYPE; only what ``contrastive_forward`` does is ours.

The loss in its log is the one that is stepped on: in the released form of MoCo, BYOL and SimCLR, that is 2 rho times
the number that PySlowFast's model logs. The error rates in training say nothing.

The state has the names of PySlowFast's ContrastiveModel, so its checkpoints can be fine-tuned there
(``CHECKPOINT_CLEAR_NAME_PATTERN: ("backbone.",)``), and ``rhovideo.load_pretrained`` reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo import distributed
from rhovideo.integrations.slowfast.bank import Bank
from rhovideo.integrations.slowfast.network import build_network
from rhovideo.integrations.slowfast.settings import our_settings
from rhovideo.integrations.slowfast.state_names import to_our_names, to_their_names
from rhovideo.ssl.build import build_byol, build_moco, build_simclr, build_swav

# The loop counts how often column 0 is among the largest five.
_COLUMNS = 5


class SlowFastMethod(nn.Module):
    """A method of ours in the shape that PySlowFast's loop knows.

    Args:
        method: see :class:`rhovideo.ssl.interface.Method`.
        epochs: SOLVER.MAX_EPOCH.
        bank: for PySlowFast's nearest-neighbour evaluation (CONTRASTIVE.KNN_ON); None: without.
    """

    def __init__(self, method: nn.Module, epochs: float, bank: Bank | None) -> None:
        super().__init__()
        self.method, self.epochs, self.knn_mem = method, epochs, bank
        self.train_labels: Tensor | None = None
        self.register_state_dict_post_hook(to_their_names)
        self.register_load_state_dict_pre_hook(to_our_names)

    def forward(self, inputs: list, index: Tensor | None = None, *_: Any, **__: Any) -> Tensor | tuple[Tensor, Tensor]:
        """Embeddings [N, D] of pathways; in evaluation with an ``index``, the similarities and places [N, K] of the
        nearest training videos.
        """
        embeddings = self.method.embed(_fast(inputs))
        if index is None or self.training:
            return embeddings
        return self.knn_mem.nearest(embeddings)

    def init_knn_labels(self, train_loader: Any) -> None:
        """Keep the classes of the training videos; called by PySlowFast before it starts, with CONTRASTIVE.KNN_ON."""
        device = next(self.parameters()).device
        self.train_labels = torch.as_tensor(train_loader.dataset._labels, dtype=torch.long).to(device)
        self.knn_mem.fit(len(self.train_labels))

    def step(self, clips: list, index: Tensor, epoch: float, scaler: Any) -> Tensor:
        """Back-propagate the losses of a batch, average the gradients over the processes, and return the loss.

        Args:
            clips: a list over the views of lists over the pathways of [B,3,T,H,W].
            index: int64 [B], places of the videos in the training set.
            epoch: epochs done, with fraction.
            scaler: the loop's gradient scaler.
        """
        views = [_fast(clip) for clip in clips]
        total = torch.zeros((), device=views[0].device)
        # The module itself is called and not DistributedDataParallel around it, which would average after the first of
        # the backward passes, and only then.
        for loss in self.method.losses(views, epoch / self.epochs):
            with torch.autocast(loss.device.type, enabled=False):
                scaler.scale(loss).backward()
            total += loss.detach().float()
        distributed.average_gradients(self.method.parameters())
        if self.train_labels is not None:
            self.knn_mem.update(self.method.embeddings, index)
        return distributed.mean_over_ranks(total)

    def after_backward(self, epoch: float, step: int) -> bool:
        """As of the method; ``step`` counts from the epoch's start, which matters in the first one alone."""
        return self.method.after_backward(epoch / self.epochs, step)


def _fast(inputs: list | Tensor) -> Tensor:
    """The pathway with all frames, from which the network takes the other one; of several clips, the last one's."""
    while isinstance(inputs, list | tuple):
        inputs = inputs[-1]
    return inputs


def forward_and_backward(
    original: Callable,
    model: nn.Module,
    cfg: CfgNode,
    inputs: list,
    index: Tensor,
    time: Tensor,
    epoch_exact: float,
    scaler: Any,
) -> tuple[nn.Module, Tensor, Tensor, bool]:
    """PySlowFast's ``contrastive_forward``, for our methods: (model, scores, loss, whether a backward pass is due)."""
    ours = getattr(model, "module", model)
    if not isinstance(ours, SlowFastMethod):
        return original(model, cfg, inputs, index, time, epoch_exact, scaler)
    loss = ours.step(inputs, index, epoch_exact, scaler)
    # The loop wants scores to count errors of; there is no classification here, so all count as right.
    scores = torch.zeros(len(index), _COLUMNS, device=loss.device)
    scores[:, 0] = 1.0
    return model, scores, loss, False


def parameter_surgery(
    original: Callable, model: nn.Module, cfg: CfgNode, epoch_exact: float, cur_iter: int
) -> tuple[nn.Module, bool]:
    """PySlowFast's ``contrastive_parameter_surgery``, for our methods: (model, whether the optimizer may step)."""
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
