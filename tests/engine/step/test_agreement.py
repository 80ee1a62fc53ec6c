"""All processes agree on a step, one step later."""

from __future__ import annotations

import math

import torch

from rhovideo import distributed
from rhovideo.engine.step.agreement import Agreement, StepRecord
from tests.processes import run_processes


def collect(agreement: Agreement, step: int, loss: float, **asked) -> None:
    agreement.collect(StepRecord(0, step, (step,)), torch.tensor(loss), **asked)


def test_a_step_is_decided_on_after_the_next_one_unless_it_is_asked_for():
    agreement = Agreement()
    collect(agreement, 0, 1.0)
    assert agreement.decide() == []
    collect(agreement, 1, 2.0, save=True)
    (first,) = agreement.decide()
    assert (first.record.step, first.values, first.save) == (0, {"loss": 1.0}, False)
    collect(agreement, 2, 3.0)
    second, third = agreement.decide(newest=True)
    assert (second.record.step, second.save, third.record.step, third.save) == (1, True, 2, False)
    assert agreement.decide() == agreement.decide(newest=True) == []


def test_a_loss_that_is_not_finite_is_known_on_the_device_at_once_and_ever_after():
    agreement = Agreement()
    failed = []
    for step, loss in enumerate([1.0, math.inf, 1.0]):
        collect(agreement, step, loss)
        failed.append(bool(agreement.failed))
    assert failed == [False, True, True]
    assert [decision.finite for decision in agreement.decide(newest=True)] == [True, False, True]


def three_steps() -> dict[str, torch.Tensor]:
    """Three steps of two processes: process 1 asks for a checkpoint in the first, to stop in the second, then fails."""
    rank = distributed.rank()
    agreement = Agreement()
    decisions, failed = [], []
    for step in range(3):
        loss = torch.tensor(math.nan if (rank, step) == (1, 2) else 1.0 + rank)
        values = {"grad_norm": torch.tensor(3.0), "top1": 10.0 * rank}
        asked = {"save": (rank, step) == (1, 0), "stop": (rank, step) == (1, 1)}
        agreement.collect(StepRecord(0, step, [rank]), loss, values, **asked, counts=(4, rank))
        failed.append(bool(agreement.failed))
        decisions += agreement.decide(newest=step == 2)
    rows = [[d.record.step, d.save, d.stop, d.finite, d.finite_here, *d.counts, *d.values.values()] for d in decisions]
    assert [decision.record.videos for decision in decisions] == [[rank]] * 3
    assert all(list(decision.values) == ["loss", "grad_norm", "top1"] for decision in decisions)
    return {"decisions": torch.tensor(rows, dtype=torch.float64), "failed": torch.tensor(failed)}


def test_processes_decide_alike():
    for rank, found in enumerate(run_processes(three_steps, 2)):
        assert found["failed"].tolist() == [False, False, True]
        first, second, third = found["decisions"].tolist()
        assert first == [0, True, False, True, True, 8, 1, 1.5, 3, 5]
        assert second == [1, False, True, True, True, 8, 1, 1.5, 3, 5]
        assert third[:7] == [2, False, False, False, rank == 0, 8, 1]
