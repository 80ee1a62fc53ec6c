"""Combinations of values that cannot work, found before anything is started."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from fvcore.common.config import CfgNode

from rhovideo.config.detection_rules import check_detection
from rhovideo.config.findings import Finding
from rhovideo.config.fitted import needs_two_videos, videos_of_mlp_statistics, whitening_that_fits
from rhovideo.config.pyslowfast.translation import reads_charades, reads_templates
from rhovideo.config.schema import check_values
from rhovideo.config.task_defaults import CLASSIFIES, MULTI_LABEL, TRAINS

# Architectures whose position encodings fit crops of one size only.
ONE_SIZE = ("mvit",)


def check(cfg: CfgNode) -> list[Finding]:
    """Find everything that is impossible in a resolved configuration, whatever machine it will run on.

    Args:
        cfg: after :func:`rhovideo.config.task_defaults.resolve`.
    """
    findings = list(check_values(cfg))
    wrong = {finding.keys[0] for finding in findings}
    for rule in _RULES:
        findings += [finding for finding in rule(cfg) if wrong.isdisjoint(finding.keys)]
    wrong = {key for finding in findings for key in finding.keys}
    counts = ("NUM_GPUS", "NUM_CPU_PROCESSES", "NUM_SHARDS", "TRAIN.ACCUMULATE_STEPS", "BN.NUM_SYNC_DEVICES")
    if cfg.NUM_GPUS >= 0 and wrong.isdisjoint(counts):
        processes = cfg.NUM_GPUS or cfg.NUM_CPU_PROCESSES
        findings += [finding for finding in check_processes(cfg, processes) if wrong.isdisjoint(finding.keys)]
    return findings


def check_processes(cfg: CfgNode, processes: int) -> list[Finding]:
    """Find what is impossible with a number of processes; NUM_GPUS -1 is known only on the machine.

    Args:
        cfg: resolved.
        processes: of each machine.
    """
    findings: list[Finding] = []
    keys: tuple[str, ...]
    count_key = "NUM_GPUS" if cfg.NUM_GPUS else "NUM_CPU_PROCESSES"
    share = processes * cfg.TRAIN.ACCUMULATE_STEPS
    if cfg.TASK in TRAINS and cfg.TRAIN.BATCH_SIZE % share:
        steps = f" in {cfg.TRAIN.ACCUMULATE_STEPS} micro-batches" if cfg.TRAIN.ACCUMULATE_STEPS > 1 else ""
        keys = ("TRAIN.BATCH_SIZE", count_key, "TRAIN.ACCUMULATE_STEPS")
        wrong = f"the machine's batch of {cfg.TRAIN.BATCH_SIZE} cannot be shared evenly by {processes} processes{steps}"
        findings.append(Finding(keys, wrong, _multiples(cfg.TRAIN.BATCH_SIZE, share)))
    world = processes * cfg.NUM_SHARDS
    devices = cfg.BN.NUM_SYNC_DEVICES
    if _synchronises(cfg) and not cfg.BN.GLOBAL_SYNC and devices < world and world % devices:
        wrong = f"{world} processes cannot be split into groups of {devices} that share batch-norm statistics"
        divisors = [str(size) for size in range(2, world + 1) if world % size == 0]
        findings.append(Finding(("BN.NUM_SYNC_DEVICES", count_key), wrong, f"one of {', '.join(divisors)}"))
    if cfg.TRAIN.BATCH_SIZE == share and needs_two_videos(cfg, world):
        keys = ("TRAIN.BATCH_SIZE", count_key, "TRAIN.ACCUMULATE_STEPS", "CONTRASTIVE.BN_MLP")
        wrong = "each process gets one video at a time, and batch norm in the projection needs two or more"
        findings.append(Finding(keys, wrong, f"TRAIN.BATCH_SIZE {2 * share} or more"))
    findings += _whitening_of_few(cfg, processes)
    return findings


def _whitening_of_few(cfg: CfgNode, processes: int) -> Iterator[Finding]:
    """A covariance of g dimensions has no inverse where it is of g videos or fewer."""
    group, share = cfg.CONTRASTIVE.WHITEN_EMBEDDING, processes * cfg.TRAIN.ACCUMULATE_STEPS
    if cfg.TASK != "pretrain" or not group or cfg.TRAIN.BATCH_SIZE % share:
        return
    videos = videos_of_mlp_statistics(cfg, cfg.TRAIN.BATCH_SIZE, processes)
    if videos > group:
        return
    wrong = f"{group} dimensions cannot be whitened with the statistics of {videos} videos"
    remedies = []
    if fitting := whitening_that_fits(cfg.CONTRASTIVE.DIM, videos):
        remedies.append(f"CONTRASTIVE.WHITEN_EMBEDDING {fitting}")
    remedies.append("a larger TRAIN.BATCH_SIZE")
    if processes > 1 and not cfg.CONTRASTIVE.BN_SYNC_MLP:
        remedies.append("CONTRASTIVE.BN_SYNC_MLP True with BN.GLOBAL_SYNC True")
    yield Finding(("CONTRASTIVE.WHITEN_EMBEDDING", "TRAIN.BATCH_SIZE"), wrong, ", or ".join(remedies))


def _synchronises(cfg: CfgNode) -> bool:
    node = cfg.CONTRASTIVE
    mlp = cfg.TASK == "pretrain" and (node.BN_MLP or node.BN_EMBEDDING or node.WHITEN_EMBEDDING) and node.BN_SYNC_MLP
    return cfg.BN.NORM_TYPE == "sync_batchnorm" or mlp


def _multiples(value: int, unit: int) -> str:
    """The multiples of ``unit`` next to ``value``, as a remedy."""
    below, above = value // unit * unit, -(-value // unit) * unit
    return f"{below} or {above}, a multiple of {unit}" if below else f"{above} or another multiple of {unit}"


def _machines(cfg: CfgNode) -> Iterator[Finding]:
    if cfg.SHARD_ID >= cfg.NUM_SHARDS:
        wrong = f"machine {cfg.SHARD_ID} of {cfg.NUM_SHARDS}: they are counted from 0"
        yield Finding(("SHARD_ID", "NUM_SHARDS"), wrong, f"a number from 0 to {cfg.NUM_SHARDS - 1}")


def _queues(cfg: CfgNode) -> Iterator[Finding]:
    """A batch must fit into the queue as a whole, so that none is split at the queue's end."""
    batch = cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS
    if cfg.TASK != "pretrain" or batch < 1:
        return
    keys = ("TRAIN.BATCH_SIZE", "NUM_SHARDS")
    whole = f"the global batch of {batch} (TRAIN.BATCH_SIZE {cfg.TRAIN.BATCH_SIZE} x NUM_SHARDS {cfg.NUM_SHARDS})"
    length = cfg.CONTRASTIVE.QUEUE_LEN
    if cfg.CONTRASTIVE.TYPE == "moco" and length % batch:
        yield Finding(
            ("CONTRASTIVE.QUEUE_LEN", *keys), f"{length} is not a multiple of {whole}", _multiples(length, batch)
        )
    length = cfg.CONTRASTIVE.SWAV_QEUE_LEN
    if cfg.CONTRASTIVE.TYPE == "swav" and length % batch:
        remedy = _multiples(length, batch) + ", or 0 for no queue"
        yield Finding(("CONTRASTIVE.SWAV_QEUE_LEN", *keys), f"{length} is not a multiple of {whole}", remedy)


def _methods(cfg: CfgNode) -> Iterator[Finding]:
    if cfg.TASK != "pretrain":
        return
    kind, depths = cfg.CONTRASTIVE.TYPE, cfg.CONTRASTIVE.PREDICTOR_DEPTHS
    if kind == "byol" and (len(depths) != 1 or depths[0] < 1):
        wrong = f"{depths} is not the depth of one predictor" if depths else "BYOL without a predictor collapses"
        yield Finding(("CONTRASTIVE.PREDICTOR_DEPTHS", "CONTRASTIVE.TYPE"), wrong, "[2]")
    if kind in ("simclr", "swav") and cfg.TRAIN.ACCUMULATE_STEPS > 1:
        keys = ("TRAIN.ACCUMULATE_STEPS", "CONTRASTIVE.TYPE")
        wrong = f"{kind}'s loss compares all videos of a batch, so summing over micro-batches would change it"
        yield Finding(keys, wrong, "1, with a TRAIN.BATCH_SIZE that fits in memory")
    yield from _whitening(cfg)
    if cfg.MODEL.FROZEN_BN:
        yield Finding(
            ("MODEL.FROZEN_BN", "TASK"), "True freezes statistics that pre-training has not learned yet", "False"
        )
    if cfg.DATA.CLIP_SAMPLING == "segment":
        wrong = "segment sampling spreads one clip over the whole video, and pre-training needs clips at several times"
        yield Finding(("DATA.CLIP_SAMPLING", "TASK"), wrong, "random")


def _whitening(cfg: CfgNode) -> Iterator[Finding]:
    group, dim = cfg.CONTRASTIVE.WHITEN_EMBEDDING, cfg.CONTRASTIVE.DIM
    if group and cfg.CONTRASTIVE.BN_EMBEDDING:
        keys = ("CONTRASTIVE.WHITEN_EMBEDDING", "CONTRASTIVE.BN_EMBEDDING")
        yield Finding(keys, "both normalise the embedding", "CONTRASTIVE.BN_EMBEDDING False, or WHITEN_EMBEDDING 0")
    if group and dim % group:
        wrong = f"an embedding of {dim} dimensions cannot be whitened in groups of {group}"
        remedy = f"{whitening_that_fits(dim, 2 * group) or dim}, a divisor of {dim}, or 0"
        yield Finding(("CONTRASTIVE.WHITEN_EMBEDDING", "CONTRASTIVE.DIM"), wrong, remedy)


def _network(cfg: CfgNode) -> Iterator[Finding]:
    if cfg.MODEL.COMPILE and cfg.MODEL.ACT_CHECKPOINT:
        keys = ("MODEL.COMPILE", "MODEL.ACT_CHECKPOINT")
        yield Finding(keys, "a network that computes its activations a second time cannot be compiled", "False")
    if cfg.MODEL.COMPILE and cfg.CONTRASTIVE.KEYS_AT_ONCE and cfg.TASK == "pretrain":
        keys = ("MODEL.COMPILE", "CONTRASTIVE.KEYS_AT_ONCE")
        wrong = "one pass for all clips, each with its batch-norm statistics, would be compiled again in every step"
        yield Finding(keys, wrong, "False")


def _devices(cfg: CfgNode) -> Iterator[Finding]:
    if cfg.DATA.AUG_DEVICE == "gpu" and cfg.NUM_GPUS == 0:
        wrong = "gpu changes colour where the network is. With NUM_GPUS 0 one process would do the work of all workers"
        yield Finding(("DATA.AUG_DEVICE", "NUM_GPUS"), wrong, "cpu")


def _gaps(cfg: CfgNode) -> Iterator[Finding]:
    low, high = cfg.CONTRASTIVE.DELTA_CLIPS_MIN, cfg.CONTRASTIVE.DELTA_CLIPS_MAX
    keys = ("CONTRASTIVE.DELTA_CLIPS_MIN", "CONTRASTIVE.DELTA_CLIPS_MAX")
    if low > high:
        yield Finding(
            keys, f"the smallest gap between clips, {low:g} frames, is above the largest, {high:g}", f"{high:g} or less"
        )
    elif low == math.inf or high == -math.inf:
        yield Finding(keys, f"no gap between clips is from {low:g} to {high:g} frames", "-inf and inf for no limits")


def _gaps_in_seconds(cfg: CfgNode) -> Iterator[Finding]:
    node = cfg.CONTRASTIVE
    low, high = node.DELTA_SECONDS_MIN, node.DELTA_SECONDS_MAX
    keys = ("CONTRASTIVE.DELTA_SECONDS_MIN", "CONTRASTIVE.DELTA_SECONDS_MAX")
    if low > high:
        wrong = f"the smallest distance of clips, {low:g} s, is above the largest, {high:g} s"
        yield Finding(keys, wrong, f"{high:g} or less")
    elif low == math.inf:
        yield Finding(keys, "no distance of clips is infinite", "0 for no limit")
    in_frames = (node.DELTA_CLIPS_MIN, node.DELTA_CLIPS_MAX) != (-math.inf, math.inf)
    if in_frames and (low, high) != (0, math.inf):
        wrong = (
            f"the distance of clips is limited twice: from {low:g} to {high:g} seconds, and from "
            f"{node.DELTA_CLIPS_MIN:g} to {node.DELTA_CLIPS_MAX:g} frames"
        )
        write = (
            "one kind: DELTA_CLIPS_MIN -inf and DELTA_CLIPS_MAX inf, or DELTA_SECONDS_MIN 0 and DELTA_SECONDS_MAX inf"
        )
        yield Finding((keys[1], keys[0], "CONTRASTIVE.DELTA_CLIPS_MIN", "CONTRASTIVE.DELTA_CLIPS_MAX"), wrong, write)


def _cropping(cfg: CfgNode) -> Iterator[Finding]:
    keys: tuple[str, ...]
    data = cfg.DATA
    scales, area, aspect = (
        data.TRAIN_JITTER_SCALES,
        data.TRAIN_JITTER_SCALES_RELATIVE,
        data.TRAIN_JITTER_ASPECT_RELATIVE,
    )
    yield from _range("DATA.TRAIN_JITTER_SCALES", scales, "[256, 320]", low=1)
    yield from _range("DATA.TRAIN_JITTER_SCALES_RELATIVE", area, "[0.2, 0.766]", low=0, high=1, optional=True)
    yield from _range("DATA.TRAIN_JITTER_ASPECT_RELATIVE", aspect, "[0.75, 1.3333]", low=0, optional=True)
    if bool(area) != bool(aspect):
        keys = ("DATA.TRAIN_JITTER_ASPECT_RELATIVE", "DATA.TRAIN_JITTER_SCALES_RELATIVE")
        given, missing = reversed(keys) if area else keys
        example = "[0.75, 1.3333]" if area else "[0.2, 0.766]"
        yield Finding((missing, given), f"is empty while {given} is given: a crop by area needs both", example)
    if not area and len(scales) == 2 and min(scales) < data.TRAIN_CROP_SIZE:
        keys = ("DATA.TRAIN_CROP_SIZE", "DATA.TRAIN_JITTER_SCALES")
        wrong = f"a crop of {data.TRAIN_CROP_SIZE} pixels does not fit into frames whose short side is {min(scales)}"
        size = data.TRAIN_CROP_SIZE
        remedy = f"{min(scales)} or less, or DATA.TRAIN_JITTER_SCALES [{round(size * 8 / 7)}, {round(size * 10 / 7)}]"
        yield Finding(keys, wrong, remedy)
    if cfg.TASK in CLASSIFIES and data.TRAIN_CROP_SIZE < 32:
        yield Finding(
            ("DATA.TRAIN_CROP_SIZE",),
            f"{data.TRAIN_CROP_SIZE} pixels leave no feature: the network strides 32",
            "32 or more",
        )
    if cfg.TASK in CLASSIFIES and data.TEST_CROP_SIZE < data.TRAIN_CROP_SIZE:
        keys = ("DATA.TEST_CROP_SIZE", "DATA.TRAIN_CROP_SIZE")
        wrong = f"{data.TEST_CROP_SIZE} pixels are fewer than the {data.TRAIN_CROP_SIZE} that the classifier pools over"
        yield Finding(keys, wrong, f"{data.TRAIN_CROP_SIZE} or more")
    tests = cfg.TASK == "test" or (cfg.TASK in CLASSIFIES and cfg.TEST.ENABLE)
    if tests and cfg.MODEL.ARCH in ONE_SIZE and data.TEST_CROP_SIZE > data.TRAIN_CROP_SIZE:
        keys = ("DATA.TEST_CROP_SIZE", "DATA.TRAIN_CROP_SIZE", "MODEL.ARCH")
        wrong = f"{cfg.MODEL.ARCH} is built for crops of one size, {data.TRAIN_CROP_SIZE} pixels"
        yield Finding(keys, wrong, f"{data.TRAIN_CROP_SIZE}")


def _range(
    key: str, pair: list[float], example: str, low: float, high: float = math.inf, optional: bool = False
) -> Iterator[Finding]:
    if optional and not pair:
        return
    if len(pair) != 2 or not low <= pair[0] <= pair[1] <= high or pair[1] <= 0:
        yield Finding((key,), f"{pair} is not a range from low to high", f"two numbers, such as {example}")


def _clips(cfg: CfgNode) -> Iterator[Finding]:
    data = cfg.DATA
    keys: tuple[str, ...]
    for key, values, example in (
        ("DATA.MEAN", data.MEAN, "[0.45, 0.45, 0.45]"),
        ("DATA.STD", data.STD, "[0.225, 0.225, 0.225]"),
        ("DATA.SSL_COLOR_BRI_CON_SAT", data.SSL_COLOR_BRI_CON_SAT, "[0.4, 0.4, 0.4]"),
    ):
        if len(values) != 3 or any(value < 0 or (value == 0 and key == "DATA.STD") for value in values):
            yield Finding(
                (key,),
                f"{values} are not three numbers, or one of them is too small",
                f"three numbers, such as {example}",
            )
    low, high = data.SSL_BLUR_SIGMA_MIN, data.SSL_BLUR_SIGMA_MAX
    if len(low) != 2 or len(high) != 2 or not 0 < low[1] <= high[1]:
        keys = ("DATA.SSL_BLUR_SIGMA_MIN", "DATA.SSL_BLUR_SIGMA_MAX")
        yield Finding(keys, f"{low} and {high} are no ranges of blur", "[0.0, 0.1], with a maximum of [0.0, 2.0]")
    if any(channels != 3 for channels in data.INPUT_CHANNEL_NUM):
        yield Finding(("DATA.INPUT_CHANNEL_NUM",), f"{data.INPUT_CHANNEL_NUM}: frames are RGB", "[3]")
    alpha = cfg.SLOWFAST.ALPHA
    if cfg.MODEL.ARCH == "slowfast" and (alpha < 1 or data.NUM_FRAMES % alpha):
        keys = ("DATA.NUM_FRAMES", "SLOWFAST.ALPHA", "MODEL.ARCH")
        wrong = (
            f"the slow pathway takes every {alpha}th of {data.NUM_FRAMES} frames, which is no whole number of frames"
        )
        yield Finding(keys, wrong, _multiples(data.NUM_FRAMES, max(1, alpha)))


def _schedule(cfg: CfgNode) -> Iterator[Finding]:
    keys: tuple[str, ...]
    solver = cfg.SOLVER
    if cfg.TASK not in TRAINS:
        return
    keys = ("SOLVER.WARMUP_EPOCHS", "SOLVER.MAX_EPOCH")
    if solver.WARMUP_EPOCHS > solver.MAX_EPOCH:
        wrong = f"the warm-up of {solver.WARMUP_EPOCHS:g} epochs is longer than the training of {solver.MAX_EPOCH}"
        of_others = "; the released recipes take 35 of 200" if cfg.TASK == "pretrain" else ""
        yield Finding(keys, wrong, f"SOLVER.WARMUP_EPOCHS 0, or less than {solver.MAX_EPOCH}{of_others}")
    elif solver.COSINE_AFTER_WARMUP and solver.WARMUP_EPOCHS == solver.MAX_EPOCH:
        wrong = "the warm-up takes the whole training, and the cosine of SOLVER.COSINE_AFTER_WARMUP begins after it"
        yield Finding((*keys, "SOLVER.COSINE_AFTER_WARMUP"), wrong, f"less than {solver.MAX_EPOCH}")
    if solver.BASE_LR_SCALE_NUM_SHARDS and solver.BASE_LR_BATCH:
        keys = ("SOLVER.BASE_LR_BATCH", "SOLVER.BASE_LR_SCALE_NUM_SHARDS")
        wrong = "the learning rate would be scaled twice, by the batch and by NUM_SHARDS"
        yield Finding(keys, wrong, "0, or SOLVER.BASE_LR_SCALE_NUM_SHARDS False")
    if solver.LR_POLICY == "steps_with_relative_lrs":
        yield from _steps(solver)


def _steps(solver: CfgNode) -> Iterator[Finding]:
    steps, factors = solver.STEPS, solver.LRS
    keys = ("SOLVER.STEPS", "SOLVER.LRS")
    example = "the first epoch of each stretch, such as STEPS: [0, 60, 120] with LRS: [1, 0.1, 0.01]"
    if not steps or steps[0] != 0 or any(later <= earlier for earlier, later in pairwise(steps)):
        yield Finding(keys, f"{steps} does not rise from 0", example)
    if len(steps) != len(factors):
        wrong = f"{len(factors)} factors for the {len(steps)} stretches that begin at {steps}"
        yield Finding(("SOLVER.LRS", "SOLVER.STEPS"), wrong, f"{len(steps)} factors; {example}")


def _optimizer(cfg: CfgNode) -> Iterator[Finding]:
    keys: tuple[str, ...]
    solver = cfg.SOLVER
    if cfg.TASK not in TRAINS:
        return
    if solver.LARS_ON and solver.OPTIMIZING_METHOD != "sgd":
        keys = ("SOLVER.LARS_ON", "SOLVER.OPTIMIZING_METHOD")
        yield Finding(
            keys, f"LARS scales SGD's steps, not those of {solver.OPTIMIZING_METHOD}", "False, or the method sgd"
        )
    if solver.OPTIMIZING_METHOD == "sgd" and solver.NESTEROV and (not solver.MOMENTUM or solver.DAMPENING):
        keys = ("SOLVER.NESTEROV", "SOLVER.MOMENTUM", "SOLVER.DAMPENING")
        yield Finding(keys, "Nesterov momentum needs a momentum above 0 and no dampening", "False")
    if len(solver.BETAS) != 2 or not all(0 <= beta < 1 for beta in solver.BETAS):
        yield Finding(("SOLVER.BETAS",), f"{solver.BETAS} are not two numbers from 0 to 1", "[0.9, 0.999]")
    if cfg.TRAIN.MIXED_PRECISION and cfg.TRAIN.DTYPE == "float64":
        keys = ("TRAIN.MIXED_PRECISION", "TRAIN.DTYPE")
        yield Finding(keys, "mixed precision and float64 exclude each other", "False, or TRAIN.DTYPE float32")


def _evaluation(cfg: CfgNode) -> Iterator[Finding]:
    knn = cfg.KNN
    if 0 < knn.BANK_MAX < knn.K:
        wrong = f"{knn.K} neighbours cannot be found in a bank of {knn.BANK_MAX}"
        yield Finding(("KNN.K", "KNN.BANK_MAX"), wrong, f"{knn.BANK_MAX} or less")
    if not knn.RECALL_AT or min(knn.RECALL_AT) < 1:
        yield Finding(("KNN.RECALL_AT",), f"{knn.RECALL_AT} are not ranks from 1 on", "[1, 5, 10, 20, 50]")
    if cfg.TASK == "pretrain" and cfg.BN.USE_PRECISE_STATS:
        keys = ("BN.USE_PRECISE_STATS", "TASK")
        yield Finding(keys, "True is for classifiers: a pre-training keeps its running statistics", "False")


def _labels(cfg: CfgNode) -> Iterator[Finding]:
    """What one label a video, or several, do not go with."""
    keys: tuple[str, ...]
    several, loss = cfg.DATA.MULTI_LABEL, cfg.MODEL.LOSS_FUNC
    if reads_charades(cfg) and not several:
        keys = ("DATA.MULTI_LABEL", "TRAIN.DATASET")
        yield Finding(keys, f"False, and the lists of {cfg.TRAIN.DATASET} have several labels a video", "True")
        return
    if several and reads_templates(cfg):
        keys = ("DATA.MULTI_LABEL", "TRAIN.DATASET")
        yield Finding(keys, "True, and Something-Something's JSON files have one label a video", "False")
    if several and cfg.TASK in ("knn", "logistic"):
        keys = ("TASK", "DATA.MULTI_LABEL", "TRAIN.DATASET")
        wrong = f"TASK {cfg.TASK} takes one label a video, and these lists have several"
        yield Finding(keys, wrong, "TASK: linear or finetune, which measure mAP; or a list with one label a video")
    if cfg.TASK not in CLASSIFIES:
        return
    right = MULTI_LABEL["MODEL.LOSS_FUNC"] if several else "cross_entropy"
    if loss != right:
        keys = ("MODEL.LOSS_FUNC", "DATA.MULTI_LABEL", "TASK")
        labels = "several labels a video (DATA.MULTI_LABEL True)" if several else "one label a video"
        other = ", or DATA.MULTI_LABEL True with several labels a video" if loss in MULTI_LABEL.values() else ""
        yield Finding(keys, f"{loss} is not available in TASK {cfg.TASK} with {labels}", right + other)
    if several and cfg.MODEL.HEAD_ACT == "softmax":
        keys = ("MODEL.HEAD_ACT", "DATA.MULTI_LABEL")
        yield Finding(keys, "softmax lets the classes of a video take from each other; it may have several", "sigmoid")


_RULES = (
    _machines,
    _queues,
    _methods,
    _network,
    _devices,
    _gaps,
    _gaps_in_seconds,
    _cropping,
    _clips,
    _schedule,
    _optimizer,
    _evaluation,
    _labels,
    check_detection,
)
