"""What several processes report together is what one reports alone."""

import math

import pytest
import torch
import torch.multiprocessing

from rhovideo import distributed
from rhovideo.config.schema import get_cfg
from rhovideo.engine.evaluation.knn.knn_bank import KnnBank
from rhovideo.engine.evaluation.scores import MultiViewScores
from rhovideo.engine.log.json_stats import read_json_stats
from rhovideo.engine.log.logging_setup import set_up_logging, shut_down_logging
from rhovideo.engine.log.step_logger import StepLogger
from rhovideo.engine.step.agreement import Agreement, StepRecord

VIDEOS, QUERIES, CLASSES = 12, 5, 3


def tensors():
    generator = torch.Generator().manual_seed(0)
    features, queries = torch.randn(VIDEOS, 4, generator=generator), torch.randn(QUERIES, 4, generator=generator)
    scores = torch.rand(VIDEOS, 2, CLASSES, generator=generator)
    return features, torch.arange(VIDEOS) % CLASSES, queries, torch.arange(QUERIES) % CLASSES, scores


def evaluate(rank, world_size, folder):
    if world_size > 1:
        torch.set_num_threads(1)
        distributed.initialise(rank, world_size, f"file://{folder}/rendezvous", "gloo")
    set_up_logging(f"{folder}/rank{rank}", rank)
    features, labels, queries, query_labels, scores = tensors()
    bank = KnnBank(VIDEOS, 4, 8)
    for batch in torch.arange(VIDEOS).split(6):  # each rank takes a contiguous slice of a global batch
        mine = batch.chunk(world_size)[rank]
        bank.update(features[mine], mine, labels[mine])
    collected = MultiViewScores(VIDEOS, 2)
    mine = torch.arange(rank, VIDEOS, world_size)
    collected.add(mine, scores[mine], labels[mine])
    result = collected.finish()
    agreement = Agreement()
    agreement.collect(StepRecord(0, 0), torch.tensor(1.0 + rank))
    (decision,) = agreement.decide(newest=True)
    cfg = get_cfg()
    cfg.OUTPUT_DIR, cfg.LOG_PERIOD, cfg.TENSORBOARD.ENABLE = f"{folder}/rank{rank}", 1, True
    log = StepLogger(cfg, 1)
    log.start_epoch(0)
    log.data_arrived()
    log.step(0, 0.1, decision.values)
    log.close()
    found = {
        "bank": bank.state_dict(),
        "accuracy": bank.accuracy(queries[rank::world_size], query_labels[rank::world_size], 3),
        "scores": torch.from_numpy(result.scores),
        "top1": result.top1,
    }
    torch.save(found, f"{folder}/{world_size}_{rank}.pt")
    distributed.shut_down()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "alone").mkdir()
    evaluate(0, 1, str(folder / "alone"))
    shut_down_logging()
    torch.multiprocessing.spawn(evaluate, (2, str(folder)), nprocs=2)
    return folder


@pytest.mark.parametrize("rank", [0, 1])
def test_two_ranks_find_what_one_does(folder, rank):
    alone, together = torch.load(folder / "alone" / "1_0.pt"), torch.load(folder / f"2_{rank}.pt")
    assert together["bank"].keys() == alone["bank"].keys()
    assert all(torch.equal(together["bank"][name], tensor) for name, tensor in alone["bank"].items())
    assert torch.equal(together["scores"], alone["scores"])
    assert not math.isnan(alone["top1"])
    assert (together["accuracy"], together["top1"]) == (alone["accuracy"], alone["top1"])


def test_only_rank_0_writes_and_it_writes_the_mean(folder):
    (record,) = read_json_stats(folder / "rank0" / "json_stats.log")
    assert record["loss"] == 1.5
    assert not (folder / "rank1").exists()
