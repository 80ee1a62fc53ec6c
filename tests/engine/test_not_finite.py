"""A loss that is not finite: training stops with that step's videos, and nothing of the step is kept."""

from __future__ import annotations

import math
from contextlib import closing

import pytest
import torch

from rhovideo import distributed
from rhovideo.config import load_cfg
from rhovideo.data.loading.loader import build_loader
from rhovideo.engine.run import run
from rhovideo.engine.tasks.pretrain import PretrainTask
from rhovideo.engine.trainer import Trainer, TrainingStopped
from rhovideo.runs.folder import list_checkpoints
from tests.configured_runs import METHOD_KEYS, final_state, write_config
from tests.processes import run_processes

STEPS = 6
KEYS = ["CONTRASTIVE.TYPE", "byol", *METHOD_KEYS["byol"], "TRAIN.BATCH_SIZE", 4, "TRAIN.EVAL_PERIOD", 0]
# As a rule a step is read one step later, but the first of a launch has a line in the log and is read at once.
LATE = ["LOG_PERIOD", 100]


class FailingTask(PretrainTask):
    """BYOL whose loss becomes infinite in one step of the first epoch, on one rank, with good gradients."""

    fails_at = -1
    fails_on = 0

    def losses(self, batch, progress):
        fails = round(progress * self.cfg.SOLVER.MAX_EPOCH * STEPS) == self.fails_at
        for loss in super().losses(batch, progress):
            yield loss + math.inf if fails and distributed.rank() == self.fails_on else loss


def train_until_it_stops(cfg, fails_at, fails_on=0):
    """The error, the trained weights afterwards, and this process's videos of the step that failed."""
    with closing(build_loader(cfg, "train", "pretrain")) as loader, closing(FailingTask(cfg, loader)) as task:
        task.fails_at, task.fails_on = fails_at, fails_on
        batches = list(loader.batches_of(0))
        trainer = Trainer(cfg, task, loader)
        with pytest.raises(TrainingStopped) as stopped:
            trainer.train()
        weights = {name: p.detach() for name, p in task.model.named_parameters() if p.requires_grad}
        return str(stopped.value), weights, [loader.dataset.manifest.path(key.index) for key in batches[fails_at]]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("fails_at", [1, 2, STEPS - 1])
def test_weights_and_checkpoints_are_those_before_the_step(fails_at, late, configure, tmp_path):
    """``fails_at`` 2: a checkpoint was agreed on in the step before, and would be written after the one that fails."""
    saving = ["TRAIN.CHECKPOINT_MINUTES", 1e-6, "TRAIN.CHECKPOINT_PERIOD", 1]
    cfg = configure("pretrain", *KEYS, *(LATE if late else []), *saving)
    message, weights, videos = train_until_it_stops(cfg, fails_at)
    assert f"not finite at epoch 1, step {fails_at + 1}." in message
    assert [line.strip() for line in message.splitlines() if ".mp4" in line] == videos
    newest = list_checkpoints(tmp_path / "out")[0]
    assert f"The last checkpoint, {newest}, is from before this step." in message
    saved = final_state(tmp_path / "out")
    assert saved["epoch"] == 0
    assert saved["step"] <= fails_at
    assert not late or saved["step"] == {1: 1, 2: 1, STEPS - 1: 5}[fails_at]
    if saved["step"] == fails_at:
        for name, weight in weights.items():
            assert torch.equal(weight, saved["model_state"][name]), name


@pytest.mark.parametrize("late", [False, True])
def test_message_names_no_checkpoint_where_there_is_none(late, configure):
    message, *_ = train_until_it_stops(configure("pretrain", *KEYS, *(LATE if late else [])), 2)
    assert "not finite" in message
    assert "checkpoint" not in message


def test_message_names_no_checkpoint_of_an_earlier_training(configure, tmp_path):
    run(configure("pretrain", *KEYS, "TRAIN.EVAL_PERIOD", 0))
    assert list_checkpoints(tmp_path / "out")
    message, *_ = train_until_it_stops(configure("pretrain", *KEYS, "TRAIN.AUTO_RESUME", False), 2)
    assert "checkpoint" not in message


def failing_on_one_of_two(config: str, videos: str) -> dict[str, object]:
    cfg = load_cfg(config, [str(word) for word in ["DATA.PATH_TO_DATA_DIR", videos, *KEYS, *LATE]])
    message, weights, videos = train_until_it_stops(cfg, fails_at=3, fails_on=1)
    return {"message": message, "weights": weights, "videos": videos}


def test_all_processes_stop_with_the_videos_of_the_one_that_failed(tmp_path, synthetic_set):
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "pretrain")
    first, second = run_processes(failing_on_one_of_two, 2, str(config), str(synthetic_set))
    assert first["message"] == second["message"]
    named = [line.strip() for line in first["message"].splitlines() if ".mp4" in line]
    assert named == second["videos"] != first["videos"]
    for name, weight in first["weights"].items():
        assert torch.equal(weight, second["weights"][name]), name
