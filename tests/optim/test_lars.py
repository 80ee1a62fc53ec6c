import copy

import numpy as np
import pytest
import torch

from rhovideo.optim.lars import LARS

SHAPES = [(3, 4), (5,), (2, 3, 2), (4,), (6, 2)]


class NaiveLars:
    """The released rule in float64, one tensor at a time."""

    def __init__(self, weights, *, momentum, dampening, nesterov, decay, trust, adapt, eps=1e-8):
        self.weights = [w.copy() for w in weights]
        self.velocities = [None] * len(weights)
        self.settings = (momentum, dampening, nesterov, decay, trust, adapt, eps)

    def step(self, gradients, lr):
        momentum, dampening, nesterov, decay, trust, adapt, eps = self.settings
        for i, (w, g) in enumerate(zip(self.weights, gradients, strict=True)):
            if g is None:
                continue
            d = g.copy()
            if not adapt:
                d = d + decay * w
            elif w.ndim > 1:
                size, slope = np.sqrt((w**2).sum()), np.sqrt((g**2).sum())
                if size != 0 and slope != 0:
                    d = trust * size / (slope + decay * size + eps) * (g + decay * w)
            if momentum:
                old = self.velocities[i]
                self.velocities[i] = d.copy() if old is None else momentum * old + (1 - dampening) * d
                d = d + momentum * self.velocities[i] if nesterov else self.velocities[i]
            self.weights[i] = w - lr * d


def random_tensors(rng):
    return [rng.normal(size=shape) for shape in SHAPES]


def to_parameters(weights, dtype=torch.float64, device="cpu"):
    return [torch.nn.Parameter(torch.tensor(w, dtype=dtype, device=device)) for w in weights]


def set_gradients(parameters, gradients):
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = None if g is None else torch.tensor(g, dtype=p.dtype, device=p.device)


@pytest.mark.parametrize(("dtype", "rtol", "atol"), [(torch.float64, 1e-12, 1e-13), (torch.float32, 1e-5, 1e-6)])
@pytest.mark.parametrize("adapt", [True, False])
@pytest.mark.parametrize(
    ("momentum", "dampening", "nesterov"),
    [(0.9, 0.0, True), (0.9, 0.0, False), (0.8, 0.3, False), (0.0, 0.0, False)],
)
def test_steps_follow_the_float64_reference(adapt, momentum, dampening, nesterov, dtype, rtol, atol, device):
    """Also where float32 tensors take their step in one pass."""
    rng = np.random.default_rng(0)
    weights = random_tensors(rng)
    weights[4][:] = 0  # a tensor without size
    settings = {"momentum": momentum, "dampening": dampening, "nesterov": nesterov}
    naive = NaiveLars(weights, **settings, decay=0.05, trust=0.02, adapt=adapt)
    parameters = to_parameters(weights, dtype, device)
    group = {"params": parameters, "apply_lars": adapt}
    optimizer = LARS([group], weight_decay=0.05, trust_coefficient=0.02, **settings)
    for step in range(6):
        gradients = random_tensors(rng)
        gradients[0] = None if step < 2 else gradients[0]  # joins later: its momentum starts then
        if step == 3:
            gradients[2][:] = 0
        lr = 0.5 / (step + 1)
        optimizer.param_groups[0]["lr"] = lr
        set_gradients(parameters, gradients)
        optimizer.step()
        naive.step(gradients, lr)
        for p, w in zip(parameters, naive.weights, strict=True):
            torch.testing.assert_close(p.detach().double().cpu(), torch.from_numpy(w), rtol=rtol, atol=atol)


def test_resumed_from_a_state_dict_it_goes_on_bit_for_bit(device):
    rng = np.random.default_rng(1)
    parameters = to_parameters(random_tensors(rng), torch.float32, device)
    optimizer = LARS(parameters, lr=0.3, nesterov=True, weight_decay=1e-3)
    gradients = [random_tensors(rng) for _ in range(4)]
    for g in gradients[:2]:
        set_gradients(parameters, g)
        optimizer.step()
    resumed = [torch.nn.Parameter(p.detach().clone()) for p in parameters]
    other = LARS(resumed, lr=0.1)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for g in gradients[2:]:
        for ps, o in ((parameters, optimizer), (resumed, other)):
            set_gradients(ps, g)
            o.step()
    assert all(torch.equal(a, b) for a, b in zip(parameters, resumed, strict=True))


@pytest.mark.parametrize("which", ["gradient", "momentum"])
def test_memory_layouts_may_differ(which, device):
    """torch's fused kernel silently mixes elements up when a gradient or a momentum is laid out otherwise."""
    torch.manual_seed(0)
    weight, gradients = torch.randn(4, 3, 5, 2).to(device), torch.randn(2, 4, 3, 5, 2).to(device)
    plain = torch.nn.Parameter(weight.clone())
    mixed = torch.nn.Parameter(weight.clone())
    for p in (plain, mixed):
        optimizer = LARS([p], lr=1.0, trust_coefficient=0.1)
        for g in gradients:
            p.grad = g.clone()
            if p is mixed and which == "gradient":
                p.grad = p.grad.to(memory_format=torch.channels_last)
            optimizer.step()
            if p is mixed and which == "momentum":
                state = optimizer.state[p]
                state["momentum_buffer"] = state["momentum_buffer"].to(memory_format=torch.channels_last)
    torch.testing.assert_close(mixed, plain)


@pytest.mark.parametrize("adapt", [True, False])
def test_a_part_of_a_larger_tensor_takes_its_step_alone(adapt):
    torch.manual_seed(0)
    whole, gradient = torch.randn(4, 6), torch.randn(4, 6)
    before = whole.clone()
    part, plain = torch.nn.Parameter(whole[:, ::2]), torch.nn.Parameter(whole[:, ::2].clone())
    part.grad, plain.grad = gradient[:, ::2], gradient[:, ::2].clone()
    LARS([{"params": [part], "apply_lars": adapt}], lr=1.0, trust_coefficient=0.1).step()
    LARS([{"params": [plain], "apply_lars": adapt}], lr=1.0, trust_coefficient=0.1).step()
    assert torch.equal(whole[:, 1::2], before[:, 1::2])
    torch.testing.assert_close(part, plain)


def test_tensors_that_cannot_take_their_step_in_one_pass_take_the_same(device):
    """Their gradients lie otherwise in memory than they do, so torch's fused kernel is out of the question."""
    torch.manual_seed(0)
    weights, gradients = torch.randn(2, 4, 3, 5, 2).to(device), torch.randn(3, 2, 4, 3, 5, 2).to(device)
    fused, apart = ([torch.nn.Parameter(w.clone()) for w in weights] for _ in range(2))
    optimizers = [LARS(parameters, lr=0.3, weight_decay=1e-2, nesterov=True) for parameters in (fused, apart)]
    for step in gradients:
        for i, g in enumerate(step):
            fused[i].grad = g.clone()
            apart[i].grad = g.clone().contiguous(memory_format=torch.channels_last)
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(fused, apart, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_extreme_gradients_leave_the_weights_finite(scale, device):
    p = torch.nn.Parameter(torch.ones(3, 3, device=device))
    p.grad = torch.full((3, 3), scale, device=device)
    LARS([p], lr=1.0, weight_decay=1e-4).step()
    assert p.isfinite().all()


def test_the_step_is_as_long_as_trust_times_size(device):
    p = torch.nn.Parameter(torch.full((3, 3), 2.0, device=device))
    optimizer = LARS([p], lr=1.0, momentum=0.0, trust_coefficient=0.001)
    p.grad = torch.randn(3, 3, device=device) * 1e4
    before = p.detach().clone()
    optimizer.step()
    assert (p - before).norm().item() == pytest.approx(0.001 * 6.0, rel=1e-4)


def test_a_closure_is_run_with_gradients_on():
    p = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = LARS([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = p.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0
    assert p.max().item() < 1.0


@pytest.mark.parametrize(
    "settings", [{"lr": -1.0}, {"nesterov": True, "momentum": 0.0}, {"nesterov": True, "dampening": 0.1}]
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match="LARS"):
        LARS([torch.nn.Parameter(torch.ones(2))], **settings)
