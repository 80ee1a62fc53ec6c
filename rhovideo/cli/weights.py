"""The commands about checkpoints: ``rhovideo weights`` and ``export``."""

from __future__ import annotations

import argparse
import logging
import shlex
from typing import TYPE_CHECKING, cast

from rhovideo.cli.parsers import Commands, add_parser
from rhovideo.errors import JobError, WeightsError
from rhovideo.zoo.catalogue import ENTRIES
from rhovideo.zoo.sources import cache_folder, local_path

if TYPE_CHECKING:
    from rhovideo.zoo.filling import LoadReport

WEIGHTS_HELP = """\
Show what a checkpoint holds, and which of its tensors make up the encoder. Without CHECKPOINT, list the released ones.

  rhovideo weights
  rhovideo weights byol_slow_r50_8x8_rho4              downloaded the first time
  rhovideo weights outputs/mine/checkpoints/checkpoint_epoch_00200.pyth --names
"""

EXPORT_HELP = """\
Write a checkpoint for PySlowFast, in the format of its released ones, with the optimizer's state.

  rhovideo export outputs/mine/checkpoints/checkpoint_epoch_00200.pyth mine.pyth
  rhovideo export outputs/mine/checkpoints/checkpoint_epoch_00200.pyth encoder.pyth --encoder momentum
"""

SOURCE = "a file, a URL, or the short name of a released checkpoint"


def add_commands(commands: Commands) -> None:
    """Add the parsers of these commands."""
    weights = add_parser(commands, "weights", "show what is in a checkpoint", WEIGHTS_HELP, weights_command)
    weights.add_argument("checkpoint", metavar="CHECKPOINT", nargs="?", help=SOURCE)
    weights.add_argument(
        "--encoder", choices=("online", "momentum"), default="online", help="which encoder of MoCo or BYOL (online)"
    )
    weights.add_argument("--names", action="store_true", help="list every tensor by name")

    export = add_parser(commands, "export", "write a checkpoint for PySlowFast", EXPORT_HELP, export_command)
    export.add_argument("checkpoint", metavar="CHECKPOINT", help=SOURCE)
    export.add_argument("out", metavar="OUT.pyth", help="the file to write")
    export.add_argument("--encoder", choices=("online", "momentum"), help="write this encoder alone")


def weights_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo weights``."""
    if options.checkpoint is None:
        _list_released()
        return 0
    path = local_path(options.checkpoint)
    _warnings_to_stderr()
    from rhovideo.models.network_size import describe
    from rhovideo.zoo.files.architecture import architecture
    from rhovideo.zoo.files.checkpoint_files import read_weights
    from rhovideo.zoo.pretrained import classes_of, load_pretrained

    file = read_weights(path)
    cfg = architecture(file, options.encoder)
    encoder = load_pretrained(file, cfg=cfg, encoder=options.encoder)
    try:
        size = describe(encoder, cfg)
    except (RuntimeError, ValueError) as error:
        clip = f"{cfg.DATA.NUM_FRAMES} frames of {cfg.DATA.TRAIN_CROP_SIZE} x {cfg.DATA.TRAIN_CROP_SIZE}"
        raise JobError(f"{path}: its configuration has clips of {clip}, which its network cannot take") from error
    print(f"{path}: {options.encoder} encoder, {size}")
    if file.cfg is not None and cfg.TASK == "pretrain":
        print(f"pre-trained by {cfg.CONTRASTIVE.TYPE}, rho {cfg.DATA.TRAIN_CROP_NUM_TEMPORAL}")
    if file.cfg is not None:
        print(f"clips of {cfg.DATA.NUM_FRAMES} frames, one in {cfg.DATA.SAMPLING_RATE}")
    if classes := classes_of(file, cfg):
        command = shlex.join(["rhovideo", "eval", options.checkpoint, "--protocol", "test", "--data", "DIR"])
        print(f"classifier of {classes} classes: {command}")
    report = cast("LoadReport", encoder.load_report)
    print(report)
    if options.names:
        _list_names(report)
    return 0


def export_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo export``."""
    if not options.out.endswith(".pyth"):
        raise WeightsError(f"{options.out}: PySlowFast looks for names that end in .pyth; write {options.out}.pyth")
    path = local_path(options.checkpoint)
    _warnings_to_stderr()
    from rhovideo.zoo.released_format.exporting import export

    print(export(path, options.out, encoder=options.encoder))
    return 0


def _list_released() -> None:
    for entry in ENTRIES:
        figures = ", ".join(f"{figure.protocol} {figure.value}" for figure in entry.figures)
        print(f"{entry.name:28} {figures}")
    print("Top-1 in percent, of AVA mAP, as released with them, not measured here.")
    print(f"Downloads are kept in {cache_folder()}.")


def _list_names(report: LoadReport) -> None:
    rows = [f"used     {name}  ->  {ours}" for name, ours in report.used.items()]
    rows += [f"ignored  {name}" for name in report.ignored]
    rows += [f"missing  {name}" for name in report.missing]
    print("\n".join(rows))


def _warnings_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, format="rhovideo: %(message)s")
