"""The same steps in 1, 2 and 4 processes: with batch norm over all of them, nothing may differ."""

from __future__ import annotations

import functools

import pytest
import torch

from rhovideo import distributed
from rhovideo.config import get_cfg
from rhovideo.ssl.build import METHODS, build_method
from tests.processes import run_processes

RHO, GLOBAL_BATCH, STEPS = 3, 8, 2
TOLERANCE = 1e-8
# The released form is not promised by anybody but holds too, so one number of processes will do.
FORMS = {1: ("paper", "released"), 2: ("paper", "released"), 4: ("paper",)}


def configuration(kind: str, form: str):
    cfg = get_cfg()
    cfg.RESNET.DEPTH, cfg.RESNET.WIDTH_PER_GROUP = 18, 4
    cfg.BN.NORM_TYPE, cfg.BN.GLOBAL_SYNC = "sync_batchnorm", True
    cfg.DATA.TRAIN_CROP_NUM_TEMPORAL = RHO
    cfg.SOLVER.MAX_EPOCH = 200
    node = cfg.CONTRASTIVE
    node.TYPE, node.LOSS_FORM, node.T, node.DIM = kind, form, 0.1, 16
    node.NUM_MLP_LAYERS, node.MLP_DIM, node.BN_MLP, node.BN_SYNC_MLP = 2, 8, True, True
    node.PREDICTOR_DEPTHS, node.MOMENTUM, node.MOMENTUM_ANNEALING = [2], 0.9, True
    node.QUEUE_LEN, node.MOCO_MULTI_VIEW_QUEUE = 2 * RHO * GLOBAL_BATCH, True
    node.SWAV_QEUE_LEN, node.SWAV_NUM_PROTOTYPES = GLOBAL_BATCH, 12
    return cfg


def some_steps(kind: str, form: str) -> dict[str, torch.Tensor]:
    """Loss and gradients of a few SGD steps, and the whole state after them."""
    torch.manual_seed(0)
    method = build_method(configuration(kind, form)).double()
    parameters = [p for p in method.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9)
    own = slice(*(r * GLOBAL_BATCH // distributed.world_size() for r in (distributed.rank(), distributed.rank() + 1)))
    found = {}
    for step in range(STEPS):
        views = torch.randn(RHO, GLOBAL_BATCH, 3, 2, 16, 16, dtype=torch.float64)[:, own]
        optimizer.zero_grad()
        progress = 0.5 + step / 100
        total = torch.zeros((), dtype=torch.float64)
        for loss in method.losses(list(views), progress):
            loss.backward()
            total += loss.detach()
        distributed.average_gradients(parameters)
        assert method.after_backward(progress, step)
        found[f"loss {step}"] = distributed.mean_over_ranks(total)
        for name, parameter in method.named_parameters():
            if parameter.requires_grad:
                found[f"gradient {step} {name}"] = parameter.grad.clone()
        optimizer.step()
    return found | {f"state {name}": value.clone() for name, value in method.state_dict().items()}


def all_methods() -> dict[str, dict[str, torch.Tensor]]:
    forms = FORMS[distributed.world_size()]
    return {f"{kind} {form}": some_steps(kind, form) for kind in METHODS for form in forms}


@pytest.fixture(scope="module")
def results():
    """What each rank found, by number of processes."""
    return functools.cache(lambda world: run_processes(all_methods, world))


@pytest.mark.parametrize(("world", "form"), [(world, form) for world in (2, 4) for form in FORMS[world]])
@pytest.mark.parametrize("kind", METHODS)
def test_the_number_of_processes_changes_nothing(results, world, kind, form):
    alone = results(1)[0][f"{kind} {form}"]
    assert any(name.startswith("state queue.keys") for name in alone) == (kind == "moco")
    assert any(name.startswith("state code_queue.keys") for name in alone) == (kind == "swav")
    for rank in results(world):
        found = rank[f"{kind} {form}"]
        assert found.keys() == alone.keys()
        for name, expected in alone.items():
            close(found[name], expected, name)


def close(found: torch.Tensor, expected: torch.Tensor, name: str) -> None:
    if not expected.is_floating_point():
        assert torch.equal(found, expected), name
    elif expected.norm() < 1e-10:  # the bias before a batch norm: nothing but rounding
        assert found.norm() < 1e-10, name
    else:
        assert (found - expected).norm() <= TOLERANCE * expected.norm(), name
