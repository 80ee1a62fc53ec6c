from __future__ import annotations

import math
import sys
from importlib import import_module

import pytest
import torch

from rhovideo import distributed
from rhovideo.ssl.losses import clip_nce, unit
from tests.integrations.conftest import STAND_IN
from tests.processes import run_processes

NAMES = {"RhoSimCLR": "simclr", "RhoMoCo": "moco", "RhoBYOL": "byol", "RhoSwAV": "swav"}


def with_method(cfg, name, rho=2):
    cfg.MODEL.MODEL_NAME = name
    cfg.DATA.TRAIN_CROP_NUM_TEMPORAL = rho
    if name == "RhoBYOL":
        cfg.CONTRASTIVE.PREDICTOR_DEPTHS = [2]
    return cfg


def built(cfg):
    torch.manual_seed(0)
    return import_module("slowfast.models.build").build_model(cfg)


def train(cfg):
    return import_module("slowfast.train").train(cfg)


@pytest.mark.parametrize("name", NAMES)
def test_pyslowfasts_loop_trains_each_method(cfg, name):
    before = built(with_method(cfg.clone(), name)).state_dict()
    model, losses, taken, accuracy = train(with_method(cfg, name, rho=3))
    assert len(losses) == 2 * 24 // 4
    assert all(math.isfinite(loss) for loss in losses)
    moved = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    assert "backbone.s1.0.weight" in moved
    # A queue of 16 and four videos a step: nothing is learned in the first four.
    assert taken == [name != "RhoMoCo" or step >= 4 for step in range(12)]
    assert 0 <= accuracy <= 1
    assert (model.state_dict()["knn_mem.memory"].norm(dim=2) - 1).abs().max() < 1e-5
    # From here on PySlowFast takes it for its own model.
    assert (cfg.TASK, cfg.MODEL.MODEL_NAME, cfg.CONTRASTIVE.TYPE) == ("ssl", "ContrastiveModel", NAMES[name])


def test_nothing_is_kept_where_neighbours_are_not_asked_for(cfg):
    cfg.CONTRASTIVE.KNN_ON = False
    model, *_, accuracy = train(with_method(cfg, "RhoSimCLR"))
    assert accuracy is None
    assert not any(name.startswith("knn_mem") for name in model.state_dict())


def test_batch_norm_statistics_can_be_made_precise(cfg):
    model = built(with_method(cfg, "RhoMoCo")).train()
    clips = [[torch.randn(4, 3, 4, 32, 32)] for _ in range(2)]
    assert model(clips).shape == (4, 8)  # as the loop calls it then


def test_the_momentum_encoder_takes_no_gradient(cfg):
    model = built(with_method(cfg, "RhoMoCo"))
    slow = [p.requires_grad for name, p in model.named_parameters() if "momentum_encoder" in name]
    assert slow
    assert not any(slow)


def test_prototypes_stay_in_the_first_epoch(cfg):
    model = built(with_method(cfg, "RhoSwAV"))
    surgery = import_module("slowfast.models.contrastive").contrastive_parameter_surgery
    prototypes = model.method.prototypes.weight
    for epoch, kept in ((0.5, False), (1.0, True)):
        prototypes.grad = torch.ones_like(prototypes)
        _, allowed = surgery(model, cfg, epoch, 0)
        assert allowed
        assert (prototypes.grad is not None) == kept


def test_states_have_pyslowfasts_names_and_come_back(cfg):
    model = built(with_method(cfg, "RhoMoCo"))
    model.method.queue.enqueue(unit(torch.randn(4, 8)))
    model.method.momentum.steps = 7
    state = model.state_dict()
    assert {"backbone.s1.0.weight", "backbone_hist.head.projection.bias", "queue_x", "ptr", "iter"} <= state.keys()
    assert (state["ptr"].tolist(), state["iter"].tolist(), state["queue_x"].shape) == ([4], [7], (16, 8))
    other = built(with_method(cfg, "RhoMoCo"))
    other.load_state_dict({name: value.clone() for name, value in state.items()})
    assert all(value.equal(state[name]) for name, value in other.state_dict().items())
    released = {name: value for name, value in state.items() if not name.startswith("method.")}
    other.load_state_dict(released, strict=False)
    assert other.method.queue.is_full


def test_the_predictor_has_its_released_name(cfg):
    state = built(with_method(cfg, "RhoBYOL")).state_dict()
    assert "backbone.head.predictors.0.weight" in state
    assert not any(name.startswith("backbone_hist.head.predictors") for name in state)


def test_another_model_goes_pyslowfasts_own_way(cfg):
    cfg.MODEL.MODEL_NAME = "ContrastiveModel"
    cfg.DATA.TRAIN_CROP_NUM_TEMPORAL = 2
    before = built(cfg).state_dict()
    model, losses, taken, _ = train(cfg)
    assert type(model).__name__ == "ContrastiveModel"
    assert not model.state_dict()["backbone.s1.0.weight"].equal(before["backbone.s1.0.weight"])
    assert all(math.isfinite(loss) for loss in losses)
    assert all(taken)


def test_a_network_of_two_pathways_gets_both(cfg):
    cfg.MODEL.ARCH = "slowfast"
    model, losses, *_ = train(with_method(cfg, "RhoMoCo"))
    assert model.method.encoder.alpha == 2
    assert all(math.isfinite(loss) for loss in losses)


def test_the_form_of_the_loss_is_a_key(cfg):
    clips = [[torch.randn(4, 3, 4, 32, 32)] for _ in range(3)]
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    forward = import_module("slowfast.models.contrastive").contrastive_forward
    found = {}
    for form in (None, "released", "paper"):
        of_form = with_method(cfg.clone(), "RhoSimCLR", rho=3)
        of_form.CONTRASTIVE.LOSS_FORM = form
        model = built(of_form).train()
        _, scores, loss, backward = forward(model, of_form, clips, torch.arange(4), None, 0.0, scaler)
        assert scores.shape == (4, 5)
        assert not backward
        found[form] = loss.item()
    z = torch.stack([unit(model.method.encoder(view)) for (view,) in clips])
    assert found["paper"] == pytest.approx(clip_nce(z, z, 0, 0.1).item(), abs=1e-5)
    pairs = clip_nce(z[:2], z[:2], 0, 0.1) + clip_nce(z[1:], z[1:], 0, 0.1)
    assert found[None] == found["released"] == pytest.approx(pairs.item(), abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_mixed_precision_leaves_losses_and_embeddings_whole(cfg, name):
    model = built(with_method(cfg, name)).train()
    model.train_labels = torch.zeros(4)
    clips = [[torch.randn(4, 3, 4, 32, 32)] for _ in range(2)]
    scaler = torch.amp.GradScaler("cpu", enabled=True, init_scale=8.0)
    forward = import_module("slowfast.models.contrastive").contrastive_forward
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, _, loss, _ = forward(model, cfg, clips, torch.arange(4), None, 0.0, scaler)
    assert loss.dtype == torch.float32
    assert math.isfinite(loss)
    assert model.method.encoder.net.s1[0].weight.grad.dtype == torch.float32
    assert model.knn_mem.memory[:4].norm(dim=2).sub(1).abs().max() < 1e-2
    assert not model.knn_mem.memory[4:].any()


def test_settings_that_cannot_work_are_named(cfg):
    cfg.CONTRASTIVE.DIM = 16
    with pytest.raises(ValueError, match=r"MODEL\.NUM_CLASSES is 8 and CONTRASTIVE\.DIM 16: .* write the same in both"):
        built(with_method(cfg, "RhoMoCo"))
    cfg.CONTRASTIVE.DIM = 8
    cfg.MODEL.MODEL_NAME = "RhoBYOL"
    with pytest.raises(ValueError, match=r"CONTRASTIVE\.PREDICTOR_DEPTHS is empty: .* write \[2\]"):
        built(cfg)


def test_any_model_trains_with_our_loss(cfg):
    cfg.MODEL.LOSS_FUNC, cfg.DATA.TRAIN_CROP_NUM_TEMPORAL = "rho_contrastive", 3
    before = built(cfg).state_dict()
    model, losses, *_ = train(cfg)
    assert type(model).__name__ == "Network"
    assert not model.state_dict()["s1.0.weight"].equal(before["s1.0.weight"])
    # Four videos of three clips: no better than chance is log(11 / 2).
    assert all(0 < loss < 2 * math.log(11 / 2) for loss in losses)


def test_our_loss_is_the_papers(slowfast):
    loss = import_module("slowfast.models.losses").get_loss_func("rho_contrastive")(temperature=0.1)
    z = torch.randn(3, 4, 8)
    videos = torch.tensor([5, 2, 9, 7])
    expected = clip_nce(unit(z), unit(z), 0, 0.1)
    # As the collate function orders them: all clips of a video, then the next video's.
    found = loss(3 * z.transpose(0, 1).flatten(0, 1), videos.repeat_interleave(3))
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)
    with pytest.raises(ValueError, match=r"a video has one clip: write DATA\.TRAIN_CROP_NUM_TEMPORAL 2"):
        loss(z[0], videos)


def test_our_loss_has_the_temperature_of_the_configuration(cfg):
    cfg.MODEL.LOSS_FUNC, cfg.DATA.TRAIN_CROP_NUM_TEMPORAL, cfg.CONTRASTIVE.T = "rho_contrastive", 2, 0.5
    import_module("slowfast.datasets.loader").construct_loader(cfg, "train")
    # As the loop makes it, which hands on no configuration.
    loss = import_module("slowfast.models.losses").get_loss_func("rho_contrastive")(reduction="mean")
    z = torch.randn(2, 4, 8)
    found = loss(z.transpose(0, 1).flatten(0, 1), torch.arange(4).repeat_interleave(2))
    assert found.item() == pytest.approx(clip_nce(unit(z), unit(z), 0, 0.5).item(), abs=1e-5)


def one_step() -> dict[str, torch.Tensor]:
    """The gradient of the first layer after one step, each process with other clips."""
    sys.path.insert(0, str(STAND_IN))
    import_module("rhovideo.integrations.slowfast")
    cfg = import_module("slowfast.config.defaults").get_cfg()
    cfg.CONTRASTIVE.LOCAL_SHUFFLE_BN = True
    model = built(with_method(cfg, "RhoMoCo"))
    parallel = torch.nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
    torch.manual_seed(1 + distributed.rank())
    clips = [[torch.randn(2, 3, 4, 16, 16)] for _ in range(2)]
    forward = import_module("slowfast.models.contrastive").contrastive_forward
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    _, _, loss, _ = forward(parallel.train(), cfg, clips, torch.arange(2), None, 0.0, scaler)
    return {"loss": loss, "gradient": model.method.encoder.net.s1[0].weight.grad.clone()}


def test_processes_agree_on_the_gradient_under_distributed_data_parallel():
    first, second = run_processes(one_step, 2)
    assert first["gradient"].norm() > 0
    assert first["gradient"].equal(second["gradient"])
    assert first["loss"].equal(second["loss"])
