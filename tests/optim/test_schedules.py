import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhovideo.config.schema import get_cfg
from rhovideo.optim.schedules import describe_learning_rate, learning_rate, rate_factor


def make(**solver):
    cfg = get_cfg()
    for key, value in solver.items():
        cfg.SOLVER[key] = value
    return cfg


@given(
    base=st.floats(0.001, 10),
    end=st.floats(0, 0.001),
    start=st.floats(0, 1),
    warm_up=st.floats(0, 50),
    after=st.booleans(),
    share=st.floats(0, 1),
)
def test_cosine_with_warm_up(base, end, start, warm_up, after, share):
    cfg = make(
        BASE_LR=base,
        COSINE_END_LR=end,
        WARMUP_START_LR=start,
        WARMUP_EPOCHS=warm_up,
        COSINE_AFTER_WARMUP=after,
        MAX_EPOCH=200,
    )

    def cosine(epoch):
        first = warm_up if after else 0.0
        return end + (base - end) * (math.cos(math.pi * (epoch - first) / (200 - first)) + 1) / 2

    epoch = 200 * share
    expected = cosine(epoch)
    if epoch < warm_up:
        expected = start + (cosine(warm_up) - start) * epoch / warm_up
    assert learning_rate(cfg, epoch) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_rate_is_continuous_at_the_end_of_the_warm_up_and_ends_at_the_end():
    cfg = make(BASE_LR=2.4, WARMUP_EPOCHS=35.0, MAX_EPOCH=200, WARMUP_START_LR=0.001, COSINE_END_LR=0.01)
    assert learning_rate(cfg, 0.0) == pytest.approx(0.001)
    assert learning_rate(cfg, 35 - 1e-9) == pytest.approx(learning_rate(cfg, 35.0))
    assert learning_rate(cfg, 35.0) < 2.4  # the cosine has been running since epoch 0
    assert learning_rate(cfg, 200.0) == pytest.approx(0.01)
    assert learning_rate(cfg, 230.0) == pytest.approx(0.01)  # and never rises again


@pytest.mark.parametrize(("epoch", "factor"), [(0, 1), (59.999, 1), (60, 0.1), (119, 0.1), (120, 0.01), (500, 0.001)])
def test_steps(epoch, factor):
    cfg = make(BASE_LR=0.025, LR_POLICY="steps_with_relative_lrs", STEPS=[0, 60, 120, 180], LRS=[1, 0.1, 0.01, 0.001])
    assert learning_rate(cfg, epoch) == pytest.approx(0.025 * factor)


@pytest.mark.parametrize(("steps", "factors"), [([], []), ([0, 10], [1]), ([5, 10], [1, 0.1]), ([0, 9, 4], [1, 1, 1])])
def test_steps_that_do_not_fit_are_refused_with_what_to_write(steps, factors):
    with pytest.raises(ValueError, match=r"SOLVER\.STEPS.*for example"):
        learning_rate(make(LR_POLICY="steps_with_relative_lrs", STEPS=steps, LRS=factors), 0.0)


@pytest.mark.parametrize("epoch", [0.0, 3.5, 20.0, 100.0])
def test_machines_scale_all_three_rates(epoch):
    one = make(BASE_LR=0.1, WARMUP_START_LR=0.02, COSINE_END_LR=0.01, WARMUP_EPOCHS=10.0, MAX_EPOCH=100)
    eight = one.clone()
    eight.SOLVER.BASE_LR_SCALE_NUM_SHARDS = True
    eight.NUM_SHARDS = 8
    assert learning_rate(eight, epoch, rate_factor(eight, 512)) == pytest.approx(8 * learning_rate(one, epoch))


def test_a_smaller_global_batch_scales_linearly_and_says_so():
    cfg = make(BASE_LR=4.8, BASE_LR_BATCH=512)
    factor = rate_factor(cfg, 64)
    assert learning_rate(cfg, 0.0, factor) == pytest.approx(0.6)
    assert describe_learning_rate(cfg, 64, factor).startswith("learning rate 0.6 at a global batch of 64")
    assert "times 0.25, as at the first launch" in describe_learning_rate(cfg, 64, 0.25)
    cfg.SOLVER.BASE_LR_SCALE_NUM_SHARDS = True
    with pytest.raises(ValueError, match="BASE_LR_SCALE_NUM_SHARDS False"):
        rate_factor(cfg, 64)


def test_an_unknown_policy_is_named():
    with pytest.raises(ValueError, match="cosine, steps_with_relative_lrs"):
        learning_rate(make(LR_POLICY="linear"), 0.0)
