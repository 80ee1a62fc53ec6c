"""The projection MLP, the predictor and the classifier's training modes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rhovideo.config.schema import get_cfg
from rhovideo.models import build_classifier, build_predictor, build_projection


def kinds(mlp: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in mlp.layers]


@pytest.mark.parametrize(("layers", "norm"), [(1, False), (2, True), (3, False), (3, True)])
def test_projection_has_the_released_layers(layers, norm):
    cfg = get_cfg()
    cfg.CONTRASTIVE.NUM_MLP_LAYERS = layers
    cfg.CONTRASTIVE.BN_MLP = norm
    cfg.CONTRASTIVE.MLP_DIM = 32
    cfg.CONTRASTIVE.DIM = 16
    mlp = build_projection(cfg, 24)
    hidden = ["Linear", "BatchNorm1d", "ReLU"] if norm else ["Linear", "ReLU"]
    assert kinds(mlp) == hidden * (layers - 1) + ["Linear"]
    linears = [layer for layer in mlp.layers if isinstance(layer, nn.Linear)]
    # No bias before a batch norm, which would take it away again; one at the end.
    assert [linear.bias is not None for linear in linears] == [not norm] * (layers - 1) + [True]
    assert mlp(torch.randn(4, 24)).shape == (4, 16)


def test_initial_weights_are_the_released_ones():
    torch.manual_seed(0)
    cfg = get_cfg()
    cfg.CONTRASTIVE.MLP_DIM = 500
    cfg.CONTRASTIVE.DIM = 300
    single = build_projection(cfg, 400).layers[0]
    assert float(single.weight.detach().std()) == pytest.approx(0.01, rel=0.02)
    cfg.CONTRASTIVE.NUM_MLP_LAYERS = 2
    deep = build_projection(cfg, 400).layers[0]
    # Uniform over +-sqrt(3 / fan-in).
    assert float(deep.weight.detach().abs().max()) == pytest.approx((3 / 400) ** 0.5, rel=1e-3)
    assert not deep.bias.any()


def test_embeddings_are_centred_where_asked_for():
    """BN_EMBEDDING: each dimension has mean 0 and variance 1 over the batch, without parameters of its own."""
    cfg = get_cfg()
    cfg.CONTRASTIVE.NUM_MLP_LAYERS = 2
    plain = build_projection(cfg, 16)
    cfg.CONTRASTIVE.BN_EMBEDDING = True
    centred = build_projection(cfg, 16)
    x = torch.rand(32, 16) + 3
    embedding = centred(x)
    assert embedding.mean(0).abs().max() < 1e-5
    assert (embedding.var(0, correction=0) - 1).abs().max() < 1e-3
    assert plain(x).mean(0).abs().max() > 0.1
    assert [name for name, _ in centred.named_parameters()] == [name for name, _ in plain.named_parameters()]


def test_predictor_is_a_two_layer_mlp_on_embeddings():
    cfg = get_cfg()
    cfg.CONTRASTIVE.DIM = 16
    cfg.CONTRASTIVE.MLP_DIM = 32
    cfg.CONTRASTIVE.BN_MLP = True
    cfg.CONTRASTIVE.PREDICTOR_DEPTHS = [2]
    predictor = build_predictor(cfg)
    assert kinds(predictor) == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert predictor(torch.randn(4, 16)).shape == (4, 16)
    cfg.CONTRASTIVE.PREDICTOR_DEPTHS = []
    with pytest.raises(ValueError, match=r"PREDICTOR_DEPTHS is \[\]: write one depth"):
        build_predictor(cfg)


def classifier(detach: bool, frozen: bool, **model):
    cfg = get_cfg()
    cfg.RESNET.WIDTH_PER_GROUP = 4
    cfg.DATA.TRAIN_CROP_SIZE = 32
    cfg.MODEL.NUM_CLASSES = 5
    cfg.MODEL.DETACH_FINAL_FC = detach
    cfg.MODEL.FROZEN_BN = frozen
    for key, value in model.items():
        cfg.MODEL[key] = value
    return build_classifier(cfg)


def step(model: nn.Module) -> tuple[bool, bool, bool]:
    """One training step; whether the encoder got gradients, its statistics moved, and the head got gradients."""
    before = {name: value.clone() for name, value in model.encoder.named_buffers()}
    model.train()
    model(torch.randn(2, 3, 8, 32, 32)).logsumexp(1).sum().backward()
    moved = any(not torch.equal(before[name], value) for name, value in model.encoder.named_buffers())
    has_gradient = [parameter.grad is not None for parameter in model.encoder.parameters()]
    assert all(has_gradient) or not any(has_gradient)
    return has_gradient[0], moved, model.head.projection.weight.grad is not None


@pytest.mark.parametrize(
    ("detach", "frozen", "trains_encoder", "moves_statistics"),
    [
        (True, True, False, False),  # linear protocol on frozen features
        (True, False, False, True),  # what the released code runs as linear
        (False, False, True, True),  # fine-tuning
        (False, True, True, False),  # fine-tuning with frozen batch norm
    ],
)
def test_what_is_trained(detach, frozen, trains_encoder, moves_statistics):
    model = classifier(detach, frozen)
    assert step(model) == (trains_encoder, moves_statistics, True)
    assert all(p.requires_grad for p in model.encoder.parameters()) is not detach


def test_frozen_encoder_stays_in_eval_mode_and_gives_test_features():
    model = classifier(True, True, DROPOUT_RATE=0.0)
    model.encoder.blocks[0].norm.running_mean.fill_(0.3)
    x = torch.randn(2, 3, 8, 32, 32)
    model.train()
    assert not model.encoder.training
    assert model.head.training
    assert torch.equal(model(x), model.eval()(x))


def test_linear_protocol_builds_no_graph_for_the_encoder():
    model = classifier(True, True).train()
    seen = []
    hook = torch.autograd.graph.saved_tensors_hooks(lambda t: seen.append(tuple(t.shape)) or t, lambda t: t)
    with hook:
        model(torch.randn(2, 3, 8, 32, 32))
    assert all(len(shape) <= 2 for shape in seen)


def test_released_linear_uses_the_batchs_statistics():
    model = classifier(True, False, DROPOUT_RATE=0.0)
    x = torch.randn(3, 3, 8, 32, 32)
    assert not torch.allclose(model.train()(x), model.eval()(x))


def test_dropout_acts_in_training_only():
    model = classifier(True, True, DROPOUT_RATE=0.9)
    x = torch.randn(2, 3, 8, 32, 32)
    model.train()
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_multi_label_scores_are_sigmoids():
    model = classifier(False, False, HEAD_ACT="sigmoid").eval()
    x = torch.randn(2, 3, 8, 32, 32)
    torch.testing.assert_close(model.scores(x), model(x).sigmoid())
    with pytest.raises(ValueError, match=r"MODEL\.HEAD_ACT is 'relu'"):
        classifier(False, False, HEAD_ACT="relu")
