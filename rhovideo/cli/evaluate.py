"""``rhovideo eval``: its arguments, the recipe that they stand for, and the number that comes out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rhovideo.cli.evaluation_setup import CONFIG_NAME, default_out, prepare
from rhovideo.cli.generated_configs import add_parser, launch_cells, launch_written, refuse_flags_as_keys, show_written
from rhovideo.cli.parsers import Commands
from rhovideo.cli.run import flags_as_overrides
from rhovideo.config.findings import ConfigError
from rhovideo.errors import JobError
from rhovideo.protocols import outcome, splits
from rhovideo.protocols.evaluation_folder import is_to_run
from rhovideo.protocols.known_datasets import CLASSES
from rhovideo.protocols.outcome import Evaluation
from rhovideo.protocols.recipes import PROTOCOLS
from rhovideo.protocols.splits import split_folders
from rhovideo.runs.folder import read_results
from rhovideo.terminal import print_line

_ONCE_FINISHED = "once it has finished, the same command prints its number"
EVAL_HELP = """\
Measure a checkpoint by one of the paper's protocols: with its own T x tau and crop, and with the classes of your lists.

  rhovideo eval CHECKPOINT --data DIR --protocol PROTOCOL [KEY VALUE ...]

CHECKPOINT is a file, a URL, or the short name of a released one (byol_slow_r50_8x8_rho4, ...). DIR holds train.csv,
val.csv and test.csv, as `rhovideo index` writes them.

  knn        nearest neighbours of the test videos among the training videos, on 10 clips of each; trains nothing
  retrieval  the same features, R@1 to R@50
  fast       a logistic regression on the same features, in minutes: to compare your own runs with each other
  linear     a linear classifier on the frozen encoder, 60 epochs; tested on 10 clips x 3 crops
  finetune   the whole network is trained: 200 epochs (UCF101, HMDB51 and others) or 22 (SSv2); tested on 10 x 3 views
             (SSv2: 1 x 1)
  charades   the whole network is trained on videos with several labels each, 60 epochs of 16 x 8 frames; mAP of 10 x 3
             views. linear, finetune and test measure mAP on such lists too
  ava        a detector of actions in boxes is trained, 32 epochs; mAP. DIR is the folder of `rhovideo index --ava`;
             AVA's files of boxes are there too, or in AVA.ANNOTATION_DIR
  test       tests a trained classifier's checkpoint on the views of its configuration

Where DIR holds split1, split2 and split3 (UCF101, HMDB51), each is measured, and the number is the mean over them.

examples:
  rhovideo eval byol_slow_r50_8x8_rho4 --data data/k400 --protocol linear
  rhovideo eval MoCo_SlowR50_8x8_T4_epoch_00200.pyth --data data/ucf101/split1 --protocol finetune --dataset UCF101
  rhovideo eval outputs/mine/checkpoints/checkpoint_epoch_00200.pyth --data data/mine --protocol knn --encoder momentum
  rhovideo eval byol_slow_r50_8x8_rho2 --data data/ava --protocol ava AVA.ANNOTATION_DIR /data/ava/annotations
  rhovideo eval byol_slow_r50_8x8_rho4 --data data/k400 --protocol linear --launcher slurm --nodes 8 --gpus-per-node 8

OUT/eval.yaml is the configuration; `rhovideo run --cfg OUT/eval.yaml` does the same. OUT/eval.json has the numbers, and
the published one if there is one for these settings. Started again, the same command goes on, or shows the result.
"""

EVAL_USAGE = """rhovideo eval CHECKPOINT --data DIR --protocol PROTOCOL [--out OUT] [--dataset NAME] [--encoder ENCODER]
       [KEY VALUE ...] [--dry-run] [--launcher slurm [SLURM FLAGS]]"""

# Keys that a flag decides.
_FLAG_OF = {
    "TASK": "--protocol",
    "OUTPUT_DIR": "--out",
    "DATA.PATH_TO_DATA_DIR": "--data",
    "TRAIN.CHECKPOINT_FILE_PATH": "CHECKPOINT",
    "TEST.CHECKPOINT_FILE_PATH": "CHECKPOINT",
    "TRAIN.CHECKPOINT_ENCODER": "--encoder",
}


def add_command(commands: Commands) -> None:
    """Add the parser of ``eval``."""
    parser = add_parser(commands, "eval", "measure a checkpoint", EVAL_HELP, EVAL_USAGE)
    parser.add_argument("--data", metavar="DIR", required=True, help="folder of train.csv, val.csv and test.csv")
    parser.add_argument("--protocol", choices=PROTOCOLS, required=True, help="what is measured")
    parser.add_argument("--out", metavar="OUT", help="folder to write to (outputs/eval/RUN_CHECKPOINT_PROTOCOL_DATA)")
    words = "data set whose protocol is used (chosen by the number of classes)"
    parser.add_argument("--dataset", choices=CLASSES, help=words)
    parser.set_defaults(function=eval_command)


def eval_command(options: argparse.Namespace) -> int:
    """Check all that can be checked, run the evaluation, and print its number; the exit code."""
    overrides = [*options.overrides, *flags_as_overrides(options, options.overrides)]
    refuse_flags_as_keys(overrides, _FLAG_OF)
    folders = split_folders(Path(options.data).expanduser().absolute())
    return _measure_splits(options, overrides, folders) if folders else _measure(options, overrides)


def _measure(options: argparse.Namespace, overrides: list[object]) -> int:
    slurm = options.launcher == "slurm"
    evaluation, text = prepare(options, overrides)
    if options.dry_run and not slurm and not is_to_run(evaluation.config, evaluation.cfg):
        print_line(f"{evaluation.config.parent} holds this evaluation, finished: without --dry-run its number is shown")
    if options.print_cfg or options.dry_run:
        return show_written(options, CONFIG_NAME, text, ["the checkpoint"])
    if not is_to_run(evaluation.config, evaluation.cfg):
        return _report(evaluation)
    code = launch_written(evaluation.config, text, slurm, options.resume)
    if slurm:
        print_line(_ONCE_FINISHED)
        return code
    return code or _report(evaluation)


def _measure_splits(options: argparse.Namespace, overrides: list[object], folders: Sequence[Path]) -> int:
    """One evaluation of a data set with several official splits: a run for each that has not finished."""
    slurm = options.launcher == "slurm"
    out = Path(options.out or default_out(options, folders[0].parent))
    prepared = {folder.name: _prepare_split(options, overrides, folder, out) for folder in folders}
    if options.print_cfg or options.dry_run:
        for name, (_, text) in prepared.items():
            print_line(f"{name}:")
            show_written(options, CONFIG_NAME, text, ["the checkpoint"])
        return 0
    waiting = {name: one for name, one in prepared.items() if is_to_run(one[0].config, one[0].cfg)}
    if not waiting:
        return _report_splits(out, [evaluation for evaluation, _ in prepared.values()])
    texts = {name: (evaluation.config, text) for name, (evaluation, text) in waiting.items()}
    code = launch_cells(out, texts, slurm, options.resume)
    if slurm:
        print_line(_ONCE_FINISHED)
        return code
    return code or _report_splits(out, [evaluation for evaluation, _ in prepared.values()])


def _prepare_split(
    options: argparse.Namespace, overrides: list[object], folder: Path, out: Path
) -> tuple[Evaluation, str]:
    """As :func:`prepare`, of one split; an error says of which."""
    own = argparse.Namespace(**vars(options) | {"data": str(folder), "out": str(out / folder.name)})
    try:
        return prepare(own, overrides)
    except (ConfigError, JobError):
        print_line(f"{folder.name} cannot be measured, and nothing was started:")
        raise


def _report_splits(out: Path, evaluations: Sequence[Evaluation]) -> int:
    """Write eval.json of each split and of all, and print the mean; the exit code."""
    if os.environ.get("RANK", "0") != "0":
        return 0
    numbers = {}
    for evaluation in evaluations:
        folder = evaluation.config.parent
        results = read_results(folder)
        if not results:
            print_line(f"{folder}/results.json holds no numbers: see {folder}/stdout.log")
            return 1
        numbers[folder.name] = outcome.summary(evaluation, results)
        outcome.write(folder, numbers[folder.name])
    combined = splits.combine(numbers)
    path = outcome.write(out, combined)
    print(splits.as_text(combined))
    print(f"numbers: {path}", file=sys.stderr)
    return 0


def _report(evaluation: Evaluation) -> int:
    """Write eval.json and print the numbers, once a job; the exit code."""
    out = evaluation.config.parent
    if os.environ.get("RANK", "0") != "0":
        return 0
    results = read_results(out)
    if not results:
        print_line(f"{out}/results.json holds no numbers: see {out}/stdout.log")
        return 1
    numbers = outcome.summary(evaluation, results)
    path = outcome.write(out, numbers)
    print(outcome.as_text(numbers))
    print(f"numbers: {path}   configuration: {evaluation.config}", file=sys.stderr)
    return 0
