"""What a trainer sees of the methods: sub-losses, vetoes, signals, embeddings, accumulation, warnings."""

from __future__ import annotations

import logging
import weakref

import pytest
import torch
from torch import Tensor, nn

from rhovideo import distributed
from rhovideo.config import get_cfg
from rhovideo.ssl.build import METHODS, build_method
from rhovideo.ssl.byol import BYOL
from rhovideo.ssl.losses import unit
from rhovideo.ssl.memory.momentum_keys import BatchShuffle
from rhovideo.ssl.moco import MoCo
from rhovideo.ssl.process_dependence import batch_shuffle, process_dependence, warn_of_process_dependence
from rhovideo.ssl.simclr import SimCLR
from rhovideo.ssl.swav import SwAV
from tests.processes import run_processes
from tests.ssl.naive import naive_byol, naive_moco, naive_simclr, naive_sinkhorn, naive_swav

DIM = 6


def encoder() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh())


def views(number: int, batch: int = 4, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return list(torch.randn(number, batch, 3, 1, 2, 2, dtype=torch.float64, generator=generator))


def make(kind: str, form: str = "paper", **settings) -> nn.Module:
    torch.manual_seed(1)
    parts = (encoder(), nn.Linear(8, DIM))
    if kind == "simclr":
        return SimCLR(*parts, form=form, **settings).double()
    if kind == "moco":
        return MoCo(*parts, DIM, settings.pop("queue_length", 24), form=form, **settings).double()
    if kind == "byol":
        return BYOL(*parts, nn.Linear(DIM, DIM), form=form, **settings).double()
    return SwAV(*parts, DIM, num_prototypes=5, form=form, **settings).double()


def total(method: nn.Module, clips: list[Tensor], progress: float = 0.5) -> Tensor:
    return sum(loss.detach() for loss in method.losses(clips, progress))


@pytest.mark.parametrize("number", [2, 3, 5])
@pytest.mark.parametrize("kind", METHODS)
def test_paper_form_is_the_average_over_all_clips(kind, number):
    method, clips = make(kind), views(number)
    z = torch.stack([method.embed(clip) for clip in clips]).detach()
    loss = total(method, clips)
    if kind == "simclr":
        expected = naive_simclr(z, method.temperature)
    elif kind == "moco":
        expected = naive_moco(z, z, method.queue.keys, method.temperature)  # the first step's keys: equal weights
    elif kind == "byol":
        predicted = torch.stack([unit(method.predictor(method.projection(method.encoder(clip)))) for clip in clips])
        expected = naive_byol(predicted, z)
    else:
        scores = z @ method.prototypes.weight.T
        codes = torch.stack([naive_sinkhorn(view, 0.05, 3) for view in scores])
        expected = naive_swav(scores, codes, method.temperature)
    assert torch.allclose(loss, expected, rtol=1e-10)


@pytest.mark.parametrize("kind", METHODS)
def test_embeddings_and_signals_of_the_last_call(kind):
    method, clips = make(kind), views(3)
    total(method, clips)
    assert torch.allclose(method.embeddings, method.embed(clips[0]))
    assert not method.embeddings.requires_grad
    names = {"embedding_std", "positive_similarity", "negative_similarity"}
    if kind == "swav":
        names |= {"prototype_usage", "prediction_entropy", "code_entropy", "code_agreement"}
    assert method.signals.keys() == names
    assert all(value.dim() == 0 and value.isfinite() and not value.requires_grad for value in method.signals.values())


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("kind", METHODS)
def test_the_number_of_sub_losses_is_known_before(kind, number):
    method = make(kind)
    assert len(list(method.losses(views(number), 0.5))) == method.num_losses(number)


@pytest.mark.parametrize("kind", METHODS)
def test_one_view_is_refused(kind):
    with pytest.raises(ValueError, match="at least 2 views"):
        next(make(kind).losses(views(1), 0.0))


@pytest.mark.parametrize("kind", METHODS)
def test_an_unknown_form_is_refused(kind):
    with pytest.raises(ValueError, match=r"'papers'.*paper, released"):
        make(kind, form="papers")


@pytest.mark.parametrize("kind", ["moco", "byol"])
def test_one_view_graph_is_alive_at_a_time(kind):
    """What a view's graph saved is gone when the next sub-loss is there."""
    method, saved = make(kind), []

    class Remember(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.clone()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    def remember(module, inputs, output):
        if output.requires_grad:
            output = Remember.apply(output)
            saved.append(weakref.ref(output.grad_fn))
        return output

    method.encoder.register_forward_hook(remember)
    for number, loss in enumerate(method.losses(views(4), 0.5)):
        loss.backward()
        assert len(saved) == number + 1
        assert sum(node() is not None and bool(_saved(node())) for node in saved) == 0


def _saved(node: object) -> tuple:
    try:
        return node.saved_tensors
    except RuntimeError:  # freed by the backward pass
        return ()


def test_moco_makes_no_step_until_its_queue_holds_keys_alone():
    method = make("moco", queue_length=12, enqueue_all_views=False)
    allowed = []
    for step in range(5):
        total(method, views(2), progress=step / 100)
        allowed.append(method.after_backward(step / 100, step))
    assert allowed == [False, False, False, True, True]


def test_moco_fills_faster_with_the_keys_of_all_views_but_not_in_the_released_form():
    for form, expected in (("paper", [False, True, True, True]), ("released", [False, False, False, True])):
        method = make("moco", form, queue_length=12)
        allowed = []
        for step in range(4):
            total(method, views(3))
            allowed.append(method.after_backward(0.0, step))
        assert allowed == expected


def test_moco_waits_in_the_first_epoch_only():
    method = make("moco", first_epoch=0.1)
    total(method, views(2))
    assert not method.after_backward(0.05, 0)
    total(method, views(2))
    assert method.after_backward(0.1, 1)


def test_moco_goes_on_waiting_after_a_resume():
    method = make("moco", queue_length=12, enqueue_all_views=False)
    total(method, views(2))
    method.after_backward(0.0, 0)
    resumed = make("moco", queue_length=12, enqueue_all_views=False)
    resumed.load_state_dict(method.state_dict())
    allowed = []
    for step in (1, 2, 3):
        total(resumed, views(2))
        allowed.append(resumed.after_backward(0.0, step))
    assert allowed == [False, False, True]


def test_moco_enqueues_clip_by_clip_in_the_order_of_the_batch():
    method, clips = make("moco"), views(3)
    total(method, clips)
    expected = torch.cat([method.keys([clip])[0] for clip in clips])
    method.after_backward(0.5, 0)
    assert torch.allclose(method.queue.keys[:12], expected)
    assert int(method.queue.pointer) == 12


@pytest.mark.parametrize("kind", ["moco", "byol"])
def test_accumulating_micro_batches_changes_nothing(kind):
    whole, parts = make(kind), make(kind)
    clips = views(3, batch=8)
    for step in range(2):
        for method, slices in ((whole, [slice(0, 8)]), (parts, [slice(0, 4), slice(4, 8)])):
            method.zero_grad()
            for part in slices:
                for loss in method.losses([clip[part] for clip in clips], 0.5):
                    (loss / len(slices)).backward()
            method.after_backward(0.5, step)
            torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1).step()
    for (name, one), two in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.allclose(one, two, rtol=1e-10, atol=1e-12), name


def test_swav_keeps_its_prototypes_while_they_are_frozen():
    method = make("swav", freeze_until=0.1)
    for progress, frozen in ((0.0, True), (0.09, True), (0.1, False)):
        method.zero_grad()
        for loss in method.losses(views(2), progress):
            loss.backward()
        assert method.prototypes.weight.grad is not None
        assert method.after_backward(progress, 0)
        assert (method.prototypes.weight.grad is None) == frozen


def test_swav_normalises_its_prototypes_before_each_forward():
    method = make("swav")
    with torch.no_grad():
        method.prototypes.weight.mul_(7.0)
    total(method, views(2))
    assert torch.allclose(method.prototypes.weight.norm(dim=1), torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize(("form", "code_views"), [("paper", 3), ("released", 2)])
def test_swav_queue_takes_part_once_it_is_full(form, code_views):
    """Filled from ``queue_from`` on, then earlier embeddings of the same clip join each clip's Sinkhorn-Knopp."""
    method = make("swav", form, queue_length=8, queue_from=0.5, code_views=code_views)
    plain = make("swav", form)
    plain.load_state_dict(method.state_dict(), strict=False)
    earlier = []
    for seed, progress in enumerate([0.1, 0.5, 0.6, 0.7]):
        clips = views(3, seed=seed)
        loss, expected = total(method, clips, progress), total(plain, clips)
        z = torch.stack([method.embed(clip) for clip in clips]).detach()
        if progress == 0.7:
            scores = z @ method.prototypes.weight.T
            before = torch.cat(earlier[-2:], dim=1) @ method.prototypes.weight.T
            codes = [naive_sinkhorn(torch.cat([before[c], scores[c]]), 0.05, 3)[-4:] for c in range(code_views)]
            probability = (scores / 0.1).log_softmax(dim=2)
            pairs = [(c, v) for c in range(code_views) for v in range(3) if v != c]
            expected = torch.stack([-(codes[c] * probability[v]).sum(dim=1).mean() for c, v in pairs]).mean()
            assert not torch.allclose(expected, total(plain, clips))
        assert torch.allclose(loss, expected)
        if progress >= 0.5:
            earlier.append(z)


def configuration(kind: str = "moco", world: int = 4):
    cfg = get_cfg()
    cfg.CONTRASTIVE.TYPE, cfg.CONTRASTIVE.LOSS_FORM, cfg.CONTRASTIVE.PREDICTOR_DEPTHS = kind, "paper", [2]
    cfg.CONTRASTIVE.QUEUE_LEN, cfg.CONTRASTIVE.MLP_DIM, cfg.RESNET.WIDTH_PER_GROUP, cfg.RESNET.DEPTH = 64, 16, 4, 18
    return cfg


def test_an_unknown_method_is_named():
    with pytest.raises(ValueError, match=r"CONTRASTIVE\.TYPE is 'mem': write one of simclr, moco, byol, swav"):
        build_method(configuration("mem"))


def what_depends() -> dict[str, object]:
    """Number of reasons, and whether MoCo shuffles, by setting; and what the log says while building."""
    cfg = configuration()
    found = {"plain": len(process_dependence(cfg)), "plain shuffles": batch_shuffle(cfg) is not None}
    cfg.NUM_SHARDS = 2
    shuffle = batch_shuffle(cfg)
    found["machine"] = distributed.group_size(shuffle.group)
    cfg.CONTRASTIVE.LOCAL_SHUFFLE_BN = False
    found["job"] = distributed.group_size(batch_shuffle(cfg).group)
    cfg.BN.NORM_TYPE, cfg.BN.NUM_SYNC_DEVICES = "sync_batchnorm", 2
    found["partly synchronised"] = len(process_dependence(cfg))
    cfg.BN.GLOBAL_SYNC = True
    found["synchronised"], found["synchronised shuffles"] = len(process_dependence(cfg)), batch_shuffle(cfg) is not None
    cfg.CONTRASTIVE.BN_MLP = True
    found["mlp"] = len(process_dependence(cfg))
    cfg.CONTRASTIVE.BN_SYNC_MLP, cfg.CONTRASTIVE.TYPE, cfg.CONTRASTIVE.SIMCLR_DIST_ON = True, "simclr", False
    found["own negatives"] = len(process_dependence(cfg))
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger("rhovideo").addHandler(handler)
    build_method(cfg)
    found["warnings"] = sum("number of processes" in record.getMessage() for record in records)
    warn_of_process_dependence(cfg := configuration(world=4))
    cfg.CONTRASTIVE.BN_MLP = True
    warn_of_process_dependence(cfg)
    found["once"] = [record.getMessage().count("BN.GLOBAL_SYNC True") for record in records[-2:]]
    return found


def test_the_log_says_what_depends_on_the_number_of_processes():
    for rank, found in enumerate(run_processes(what_depends, 4)):
        assert found == {
            "plain": 2,
            "plain shuffles": True,
            "machine": 2,
            "job": 4,
            "partly synchronised": 2,
            "synchronised": 0,
            "synchronised shuffles": False,
            "mlp": 1,
            "own negatives": 1,
            "warnings": 1 if rank == 0 else 0,
            "once": [1, 1] if rank == 0 else [],
        }


def test_one_process_depends_on_nothing_and_does_not_shuffle():
    assert process_dependence(configuration()) == {}
    assert batch_shuffle(configuration()) is None


def shuffled_keys() -> Tensor:
    """Keys of this process's part, from an encoder without batch norm: shuffling must not show."""
    method = make("moco", shuffle=BatchShuffle())
    return method.keys([views(1, batch=8)[0].split(2)[distributed.rank()]])[0]


def test_shuffled_keys_come_back_to_their_videos():
    together = torch.cat(run_processes(shuffled_keys, 4))
    assert torch.allclose(together, make("moco").keys(views(1, batch=8))[0])


@pytest.mark.parametrize("kind", METHODS)
def test_half_precision_autocast_trains(kind):
    method = make(kind).float()
    with torch.autocast("cpu", torch.bfloat16):
        for loss in method.losses([clip.float() for clip in views(3)], 0.5):
            assert loss.dtype == torch.float32
            loss.backward()
    assert method.after_backward(0.5, 10**6) in (True, False)
    assert all(p.grad.isfinite().all() for p in method.encoder.parameters())
