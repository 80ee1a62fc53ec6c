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
from slowfast.models.contrastive import _MODEL_TYPES
from torch import Tensor, nn

from rhovideo import distributed
from rhovideo.integrations.slowfast.settings import is_multi_pathway, our_settings
from rhovideo.ssl.byol import BYOL
from rhovideo.ssl.moco import MoCo
from rhovideo.ssl.simclr import SimCLR
from rhovideo.ssl.swav import SwAV
from rhovideo.zoo.keys import TENSORS

_NEIGHBOURS = 200
# The loop counts how often column 0 is among the largest five.
_COLUMNS = 5
# What our modules' names begin with, and PySlowFast's for the same.
_PREFIXES = {
    "method.encoder.net.": "backbone.",
    "method.momentum_encoder.net.": "backbone_hist.",
    "method.predictor.": "backbone.head.predictors.0.",
    "method.prototypes.": "swav_prototypes.",
}


class Network(nn.Module):
    """A network of PySlowFast's with its projection head, as an encoder: clips [N,3,T,H,W] to embeddings [N,dim].

    Args:
        net: takes a list of pathways.
        dim: size of the embedding.
        alpha: frames of the fast pathway for one of the slow pathway; None for a single pathway.
    """

    def __init__(self, net: nn.Module, dim: int, alpha: int | None) -> None:
        super().__init__()
        self.net, self.dim, self.alpha = net, dim, alpha

    def forward(self, x: Tensor) -> Tensor:
        if self.alpha is None:
            return self.net([x])
        frames = x.shape[2]
        slow = torch.linspace(0, frames - 1, frames // self.alpha, device=x.device).long()
        return self.net([x.index_select(2, slow), x])


class Bank(nn.Module):
    """The last embedding of each training video, under the names of PySlowFast's: buffer ``memory`` [videos, 1, dim].

    Args:
        videos: CONTRASTIVE.LENGTH. A bank of another size than the data set's is made anew when training starts, so
            what a checkpoint holds of it is used only where this is the number of training videos.
        dim: size of an embedding.
    """

    def __init__(self, videos: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("memory", torch.zeros(videos, 1, dim))

    def fit(self, videos: int) -> None:
        """Start anew unless there is a row for each of ``videos`` videos."""
        if len(self.memory) != videos:
            self.memory = self.memory.new_zeros(videos, *self.memory.shape[1:])

    @torch.no_grad()
    def update(self, embeddings: Tensor, index: Tensor) -> None:
        """Keep the embeddings [B, dim] of the videos ``index`` [B] of every process."""
        self.memory[distributed.gather(index), 0] = distributed.gather(embeddings.to(self.memory.dtype))

    def nearest(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Similarity and place, [N, K] each, of the nearest training videos of embeddings [N, dim]."""
        similarities = embeddings.to(self.memory.dtype) @ self.memory[:, 0].T
        return similarities.topk(min(_NEIGHBOURS, len(self.memory)), dim=1)


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
        self.register_state_dict_post_hook(_to_their_names)
        self.register_load_state_dict_pre_hook(_to_our_names)

    def forward(self, inputs: list, index: Tensor | None = None, *_: Any, **__: Any) -> Tensor | tuple[Tensor, Tensor]:
        """Embeddings [N, D] of pathways; in evaluation with an ``index``, the similarities and places [N, K] of the
        nearest training videos."""
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

    def before_step(self, epoch: float, step: int) -> bool:
        """As of the method; ``step`` counts from the epoch's start, which matters in the first one alone."""
        return self.method.before_step(epoch / self.epochs, step)


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
    return model, ours.before_step(epoch_exact, cur_iter)


def _network(cfg: CfgNode) -> tuple[Network, nn.Module | None]:
    """PySlowFast's network for the configuration, and BYOL's predictor, which there is a part of its head."""
    dim = cfg.CONTRASTIVE.DIM
    if cfg.MODEL.NUM_CLASSES != dim:
        raise ValueError(
            f"MODEL.NUM_CLASSES is {cfg.MODEL.NUM_CLASSES} and CONTRASTIVE.DIM {dim}: PySlowFast's head takes the size "
            "of the embedding from the first; write the same in both"
        )
    if cfg.MODEL.ARCH not in _MODEL_TYPES:
        raise ValueError(f"MODEL.ARCH is {cfg.MODEL.ARCH!r}: write one of {', '.join(_MODEL_TYPES)}")
    net = _MODEL_TYPES[cfg.MODEL.ARCH](cfg)
    predictors = list(getattr(net.head, "predictors", []))
    net.head.predictors = nn.ModuleList()
    net.head.act = nn.Identity()  # an embedding, no probabilities
    return Network(net, dim, cfg.SLOWFAST.ALPHA if is_multi_pathway(cfg) else None), next(iter(predictors), None)


def _build(cfg: CfgNode, kind: str, method: type[nn.Module]) -> SlowFastMethod:
    frozen = cfg.is_frozen()
    cfg.defrost()
    cfg.TASK, cfg.MODEL.MODEL_NAME, cfg.CONTRASTIVE.TYPE = "ssl", "ContrastiveModel", kind
    if frozen:
        cfg.freeze()
    network, predictor = _network(cfg)
    parts = {"encoder": network, "projection": nn.Identity()}
    if kind == "byol":
        if predictor is None:
            raise ValueError("CONTRASTIVE.PREDICTOR_DEPTHS is empty: BYOL needs a predictor, write [2]")
        parts["predictor"] = predictor
    bank = Bank(cfg.CONTRASTIVE.LENGTH, network.dim) if cfg.CONTRASTIVE.KNN_ON else None
    return SlowFastMethod(method.from_cfg(our_settings(cfg), **parts), cfg.SOLVER.MAX_EPOCH, bank)


def RhoSimCLR(cfg: CfgNode) -> SlowFastMethod:
    """SimCLR over rho clips (MODEL.MODEL_NAME RhoSimCLR)."""
    return _build(cfg, "simclr", SimCLR)


def RhoMoCo(cfg: CfgNode) -> SlowFastMethod:
    """MoCo over rho clips (MODEL.MODEL_NAME RhoMoCo)."""
    return _build(cfg, "moco", MoCo)


def RhoBYOL(cfg: CfgNode) -> SlowFastMethod:
    """BYOL over rho clips (MODEL.MODEL_NAME RhoBYOL)."""
    return _build(cfg, "byol", BYOL)


def RhoSwAV(cfg: CfgNode) -> SlowFastMethod:
    """SwAV over rho clips (MODEL.MODEL_NAME RhoSwAV)."""
    return _build(cfg, "swav", SwAV)


MODELS = (RhoSimCLR, RhoMoCo, RhoBYOL, RhoSwAV)


def _to_their_names(module: nn.Module, state: dict[str, Tensor], prefix: str, _: Any) -> None:
    """Rename in place what PySlowFast's model has too; what only ours has keeps its name."""
    tensors = {f"method.{ours}": (name, there) for name, (ours, _, there) in TENSORS.items()}
    for name in [name for name in state if name.startswith(prefix)]:
        inner = name.removeprefix(prefix)
        if inner in tensors:
            released, convert = tensors[inner]
            state[prefix + released] = convert(state.pop(name))
            continue
        for ours, theirs in _PREFIXES.items():
            if inner.startswith(ours):
                state[prefix + theirs + inner.removeprefix(ours)] = state.pop(name)


def _to_our_names(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """The inverse, before a state is loaded; a released queue without a count of its rows is taken to be full."""
    longest_first = sorted(_PREFIXES.items(), key=lambda pair: -len(pair[1]))
    for name in [name for name in state if name.startswith(prefix)]:
        inner = name.removeprefix(prefix)
        if inner in TENSORS:
            ours, here, _ = TENSORS[inner]
            state[f"{prefix}method.{ours}"] = here(state.pop(name))
            continue
        for ours, theirs in longest_first:
            if inner.startswith(theirs):
                state[prefix + ours + inner.removeprefix(theirs)] = state.pop(name)
                break
    queue = state.get(f"{prefix}method.queue.keys")
    if queue is not None:
        state.setdefault(f"{prefix}method.queue.filled", torch.tensor(len(queue)))
