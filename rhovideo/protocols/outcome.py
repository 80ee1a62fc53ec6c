"""The result of an evaluation, and the published figure to compare it with, if there is one. Without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo import __version__
from rhovideo.atomic_files import write_text
from rhovideo.config.comparison import FILES, differences, keys_without_effect
from rhovideo.config.keys import leaves
from rhovideo.config.task_defaults import TRAINS_ON_LABELS
from rhovideo.engine.evaluation.counts import as_count
from rhovideo.engine.evaluation.intervals import in_brackets
from rhovideo.engine.evaluation.multi_label.label_set_files import read_precisions
from rhovideo.engine.evaluation.predictions import read_class_numbers
from rhovideo.protocols.box_folder import class_precisions
from rhovideo.protocols.counted_videos import count_videos, of_official, remarks, used_videos
from rhovideo.protocols.evaluation_folder import batch_of_run, has_protocols_batch
from rhovideo.protocols.known_datasets import Videos
from rhovideo.protocols.recipes import BATCHES, Subject
from rhovideo.runs.inputs import VideoSizes, read_inputs
from rhovideo.runs.lineage import lineage, read_config
from rhovideo.runs.official_counts import as_official_count
from rhovideo.zoo.catalogue import entry_named
from rhovideo.zoo.figures import UCF101, Figure, figure_for, was_measured_so

FILE_NAME = "eval.json"

# Keys in which two comparable measurements may differ: places, and the seed.
_PLACES = (*FILES, "DATA.PATH_PREFIX", "DATA.PATH_LABEL_SEPARATOR", "DATA.SKIP_ROWS")
_SEED = "RNG_SEED"
# The numbers of each protocol that are printed: a name, and the key in results.json. The first is the main one.
NUMBERS = {
    "knn": (("k-NN top-1", "knn_top1"),),
    "retrieval": tuple((f"R@{k}", f"recall_at_{k}") for k in (1, 5, 10, 20, 50)),
    # Of several labels a video it is the mAP.
    "linear": (("top-1", "test_top1"), ("top-5", "test_top5"), ("mAP", "test_map")),
    "charades": (("mAP", "test_map"),),
    "fast": (("top-1", "test_top1"),),
    "ava": (("mAP", "test_map"), ("by PySlowFast's rule", "test_map_file_order")),
}
NUMBERS["finetune"] = NUMBERS["test"] = NUMBERS["linear"]
# Where the number that the figure stands next to is not the main one.
_OF_FIGURE = {"ava": "test_map_file_order"}


@dataclass(frozen=True)
class Comparison:
    """The figure that a result may be compared with, or the reason why there is none.

    Attributes:
        figure: the paper's or the released one.
        why_not: the reason if ``figure`` is None.
    """

    figure: Figure | None
    why_not: str = ""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation.

    Attributes:
        subject: the checkpoint.
        encoder: "online" or "momentum".
        protocol: one of :data:`rhovideo.protocols.recipes.PROTOCOLS`.
        videos: the contents of the lists.
        cfg: the job's configuration.
        recipe: the same without the user's overrides.
        config: the configuration's file.
    """

    subject: Subject
    encoder: str
    protocol: str
    videos: Videos
    cfg: CfgNode
    recipe: CfgNode
    config: Path


def compare(evaluation: Evaluation) -> Comparison:
    """The figure for exactly this checkpoint, data set and protocol, if there is one."""
    protocol, dataset = evaluation.protocol, evaluation.videos.dataset
    if protocol in ("knn", "retrieval", "fast"):
        return Comparison(None, f"no {protocol} figure was released")
    if evaluation.videos.other_classes:
        return Comparison(None, evaluation.videos.other_classes)
    changed = [key for key in _changed(evaluation) if key != _SEED]
    if changed:
        values, usual = dict(leaves(evaluation.cfg)), dict(leaves(evaluation.recipe))
        others = ", ".join(f"{key} is {values[key]} and not {usual[key]}" for key in changed[:4])
        return Comparison(None, f"the protocol's settings are not these: {others}")
    if protocol == "test":
        return _of_a_classifier(evaluation)
    if evaluation.encoder != "online":
        return Comparison(None, "the figures are those of online encoders")
    if wrong := _other_batch(evaluation.cfg, Path(evaluation.cfg.OUTPUT_DIR)):
        return Comparison(None, wrong)
    if not _is_complete(evaluation.subject):
        return Comparison(None, "the figures are those of complete pre-trainings")
    figure = _figure(evaluation)
    if figure is None or figure.protocol.dataset != dataset:
        where = f"of {dataset} {protocol}" if dataset else f"of {protocol} on {evaluation.videos.classes} classes"
        return Comparison(None, f"there is no figure {where} for this checkpoint")
    return Comparison(figure)


def _changed(evaluation: Evaluation) -> dict[str, Any]:
    """The settings with a say in the result that are not the protocol's, under dotted keys."""
    besides = (*keys_without_effect(evaluation.cfg), *_PLACES)
    values = dict(leaves(evaluation.cfg))
    return {key: values[key] for key in differences(evaluation.recipe, evaluation.cfg, besides)}


def _figure(evaluation: Evaluation) -> Figure | None:
    """The figure of the released checkpoint itself, or of a pre-training with the same settings."""
    cfg, entry = evaluation.cfg, entry_named(evaluation.subject.name)
    if entry is None:
        return figure_for(evaluation.subject.cfg, cfg, cfg)
    return next((figure for figure in entry.figures if was_measured_so(figure, cfg, cfg)), None)


def _of_a_classifier(evaluation: Evaluation) -> Comparison:
    """The figure for a classifier of ours, found by the runs that it comes from."""
    chain = [(run, read_config(run)) for run in lineage(Path(evaluation.cfg.OUTPUT_DIR))]
    trained = [(run, cfg) for run, cfg in chain if cfg.get("TASK") in TRAINS_ON_LABELS]
    if trained and (wrong := _other_batch(trained[-1][1], trained[-1][0])):
        return Comparison(None, wrong)
    figure = figure_for(chain[0][1], trained[-1][1], chain[-1][1]) if trained and len(chain) > 1 else None
    if figure is None or figure.protocol.dataset != evaluation.videos.dataset:
        return Comparison(None, "there is no figure for this classifier, or the runs that it comes from are not known")
    return Comparison(figure)


def _other_batch(cfg: Mapping[str, Any], run: Path) -> str:
    """A clause if a classifier was trained with another global batch than the protocol's; else empty.

    Args:
        cfg: the training's configuration.
        run: its folder, which may still be empty.
    """
    if has_protocols_batch(cfg, run):
        return ""
    usual = " or ".join(map(str, BATCHES[cfg["TASK"]]))
    share = f"TRAIN.BATCH_SIZE {cfg['TRAIN']['BATCH_SIZE']} on each of NUM_SHARDS {cfg['NUM_SHARDS']} machines"
    return f"the global batch is {batch_of_run(cfg, run)} ({share}) and not the protocol's {usual}"


def _is_complete(subject: Subject) -> bool:
    """True if the encoder's pre-training has run to its end, as those of the released checkpoints have."""
    return bool(subject.name) or subject.epoch is None or subject.epoch >= subject.cfg.SOLVER.MAX_EPOCH


def summary(evaluation: Evaluation, results: Mapping[str, Any]) -> dict[str, Any]:
    """The content of eval.json.

    Args:
        evaluation: the evaluation.
        results: the content of the job's results.json.
    """
    cfg, subject, comparison = evaluation.cfg, evaluation.subject, compare(evaluation)
    metric = next((key for _, key in NUMBERS[evaluation.protocol] if key in results), None)
    figure, record = comparison.figure, read_inputs(evaluation.config.parent)
    counted = [item for item in record.inputs if item.official] if record else []
    official = {item.role.partition(" ")[0]: item.official for item in counted if item.official}
    counts = count_videos(evaluation.videos.counts, results, official)
    return {
        "checkpoint": subject.source,
        "file": subject.path,
        "name": subject.name or None,
        "encoder": evaluation.encoder,
        "protocol": evaluation.protocol,
        "dataset": evaluation.videos.dataset or None,
        "data": cfg.DATA.PATH_TO_DATA_DIR,
        "metric": metric,
        "value": results.get(metric) if metric else None,
        # At 95 %, of other test videos of the same kind.
        "interval": results.get(f"{metric}_interval") if metric else None,
        # Of this very checkpoint; or of the paper's checkpoint with the same settings.
        "released": figure.value if figure and subject.name else None,
        "same_settings": figure.value if figure and not subject.name else None,
        "figure_dataset": figure.protocol.dataset if figure else None,
        "figure_metric": _OF_FIGURE.get(evaluation.protocol, metric) if figure else None,
        "figure_source": f"{figure.protocol}, {figure.source}" if figure else None,
        "not_compared_because": comparison.why_not or None,
        "results": {key: value for key, value in results.items() if key != "task"},
        "videos": used_videos(counts),
        "lists": counts,
        "settings": _settings(evaluation),
        "changed": _changed(evaluation),
        "config": str(evaluation.config),
        "rhovideo": __version__,
        # The content that was measured, by its hashes; None where an earlier version measured.
        "inputs": [asdict(item) for item in record.inputs] if record else None,
        "code": record.code if record else None,
        # None for retrieval, and where an earlier version has measured.
        **_class_numbers(evaluation.config.parent, evaluation.protocol, metric),
    }


def _class_numbers(folder: Path, protocol: str, metric: str | None) -> dict[str, Any]:
    if protocol == "ava":
        return {"per_class": class_precisions(folder)}
    if metric == "test_map":
        found = read_precisions(folder) or ()
        return {
            "per_class": [{"class": one.label, "name": one.name, "videos": one.videos, "ap": one.ap} for one in found]
        }
    return {} if metric and metric.startswith("recall") else read_class_numbers(folder)


def _settings(evaluation: Evaluation) -> dict[str, Any]:
    cfg = evaluation.cfg
    settings = {
        "arch": cfg.MODEL.ARCH,
        "depth": cfg.RESNET.DEPTH,
        "num_frames": cfg.DATA.NUM_FRAMES,
        "sampling_rate": cfg.DATA.SAMPLING_RATE,
    }
    if cfg.TASK in ("knn", "logistic"):
        settings |= {"crop": cfg.DATA.TRAIN_CROP_SIZE, "clips": cfg.KNN.NUM_CLIPS}
        settings |= {"k": cfg.KNN.K, "t": cfg.KNN.T} if cfg.TASK == "knn" else {}
        return settings | {"classes": evaluation.videos.classes}
    if cfg.TASK == "detection":
        settings |= {"crop": cfg.DATA.TEST_CROP_SIZE, "classes": cfg.MODEL.NUM_CLASSES}
        return settings | {"epochs": cfg.SOLVER.MAX_EPOCH}
    views = {"clips": cfg.TEST.NUM_ENSEMBLE_VIEWS, "crops": cfg.TEST.NUM_SPATIAL_CROPS}
    settings |= {"crop": cfg.DATA.TEST_CROP_SIZE, **views, "classes": cfg.MODEL.NUM_CLASSES}
    return settings if cfg.TASK == "test" else settings | {"epochs": cfg.SOLVER.MAX_EPOCH}


def write(folder: Path, outcome: Mapping[str, Any]) -> Path:
    """Write a :func:`summary` to eval.json in ``folder``, as a whole or not at all; returns the file."""
    path = folder / FILE_NAME
    text = json.dumps(outcome, indent=2) + "\n"
    # The file of a finished evaluation that is shown again stays as it is.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    return path


def as_text(outcome: Mapping[str, Any]) -> str:
    """The numbers as lines for the terminal; the released one stands next to the main one.

    Args:
        outcome: from :func:`summary`.
    """
    lines = [heading(outcome)]
    results, protocol = outcome["results"], outcome["protocol"]
    numbers = [(name, key, results[key]) for name, key in NUMBERS[protocol] if key in results]
    beside = _OF_FIGURE.get(protocol, outcome["metric"])
    for place, (name, key, value) in enumerate(numbers):
        figure = figure_beside(outcome) if key == beside else ""
        count = _count(outcome, value) if place == 0 else ""
        interval = in_brackets(results.get(f"{key}_interval"))
        lines.append(f"  {name:<10} {'none' if value is None else f'{value:6.2f} %{interval}{count}'}{figure}")
    if outcome["not_compared_because"]:
        lines.append(f"  no figure to compare with: {outcome['not_compared_because']}")
    elif outcome["figure_dataset"] == UCF101.dataset:
        lines.append("  the figure next to it is of split 1")
    lines += [f"  {remark}" for remark in remarks(outcome)]
    for item in outcome["inputs"] or []:
        rows = "" if item["rows"] is None else f"{item['rows']} rows, "
        videos = f"; {VideoSizes(**item['videos'])}" if item["videos"] else ""
        official = f"; {found}" if (found := as_official_count(item.get("official"))) else ""
        what = f"{rows}sha256 {item['sha256'][:12]}{videos}{official}"
        lines.append(f"  measured on the {item['role']} {item['path']} ({what})")
    if outcome["inputs"] is None:
        lines.append("  the content of its lists and checkpoint was not recorded, since an earlier version measured it")
    return "\n".join(lines)


def heading(outcome: Mapping[str, Any]) -> str:
    """What was measured, on which data: the first line for the terminal."""
    settings = outcome["settings"]
    clip = f"{settings['num_frames']}x{settings['sampling_rate']}"
    data = outcome["dataset"] or outcome["data"]
    what = f"{data}, {outcome['protocol']}: {settings['arch']} {clip}, {_views(settings)}"
    return f"{outcome['name'] or outcome['checkpoint']} on {what}"


def _views(settings: Mapping[str, Any]) -> str:
    """The clips that are tested."""
    if "clips" not in settings:
        return "one clip around each key frame"
    views = f"{settings['clips']} x {settings['crops']} views" if "crops" in settings else f"{settings['clips']} clips"
    return f"{views} of each video"


def _count(outcome: Mapping[str, Any], percent: float | None) -> str:
    """The main number as a count of videos, where the file says how many there were."""
    tested, classes = outcome["results"].get("test_videos"), outcome["settings"].get("classes")
    metric = str(outcome["metric"])
    if frames := outcome["results"].get("test_key_frames"):
        return f", of {outcome['results'].get('test_boxes'):,} boxes in {frames:,} key frames"
    official = f"; {found} official videos" if (found := of_official(outcome)) else ""
    if metric == "test_map" and tested:
        return f", mean over {outcome['results'].get('test_classes')} classes, of {tested} videos{official}"
    if percent is None or not tested or not classes or metric.startswith("recall"):
        return official
    return f", {as_count(percent, tested, classes)}{official}"


def figure_beside(outcome: Mapping[str, Any]) -> str:
    """The published figure, to stand behind the number on its line; empty without one."""
    if outcome["released"] is not None:
        return f"   released: {outcome['released']:.1f} %"
    if outcome["same_settings"] is not None:
        return f"   the paper's with these settings, pre-trained on K400: {outcome['same_settings']:.1f} %"
    return ""
