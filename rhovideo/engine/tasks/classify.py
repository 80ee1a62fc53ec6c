"""TASK linear and TASK finetune: a classifier on a pre-trained encoder."""

from __future__ import annotations

from contextlib import closing

from fvcore.common.config import CfgNode

from rhovideo.data.loading.loader import Loader, build_loader
from rhovideo.engine.checkpoints.resuming import settle
from rhovideo.engine.evaluation.intervals import Numbers
from rhovideo.engine.tasks.classifier_training import ClassifyTask
from rhovideo.engine.tasks.multi_label_training import MultiLabelTask
from rhovideo.engine.tasks.multi_view_test import run_test, test_classifier
from rhovideo.engine.trainer import Trainer


def run_classify(cfg: CfgNode) -> Numbers:
    """Train a classifier where TRAIN.ENABLE is True, then test it on many views where TEST.ENABLE is True.

    Args:
        cfg: the job's.

    Returns:
        The numbers of the last evaluation and of the test; ``train_videos``, ``val_videos`` and ``test_videos`` count
        those that can be read and have a label.

    Raises:
        Stopped: a process was asked to stop; the same call goes on.
        TrainingStopped: a loss is not finite, or too many videos cannot be read.
    """
    if not cfg.TRAIN.ENABLE:
        return run_test(cfg)
    cfg, rate_factor = settle(cfg)
    with closing(build_loader(cfg, "train", "train")) as loader, closing(_task(cfg, loader)) as task:
        trainer = Trainer(cfg, task, loader, rate_factor)
        results = trainer.train()
        results["train_videos"] = max(len(loader.dataset) - trainer.state.videos.bad, 0)
        if task.validated is not None:
            results["val_videos"] = task.validated
    if cfg.TEST.ENABLE:
        results |= test_classifier(cfg, task.model)
    return results


def _task(cfg: CfgNode, loader: Loader) -> ClassifyTask:
    return (MultiLabelTask if cfg.DATA.MULTI_LABEL else ClassifyTask)(cfg, loader)
