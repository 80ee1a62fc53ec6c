"""``rhovideo synthetic``: a small labelled set of videos to try things out."""

from __future__ import annotations

import argparse
from pathlib import Path

from rhovideo.cli.demo import KINDS
from rhovideo.cli.parsers import Commands, add_parser
from rhovideo.errors import as_foreseen
from rhovideo.terminal import print_line, stage

SYNTHETIC_HELP = """\
Write a small labelled set of H.264 videos with its lists, to try things out.

  rhovideo synthetic data/synthetic --classes 4 --train 64 --val 16
  rhovideo synthetic data/physics --kind physics

kinds:
  shapes    textured shapes move over a changing background; a class is a kind of shape
  physics   rendered scenes; a class is a kind of motion with its apparatus, e.g. a pendulum. Looks and camera change
            within a video, so clips of different moments (rho of 2 or more) share the motion (needs PyBullet)
  footage   cut from real footage that some Python packages ship; a class is a shot, seen through a small window that
            crosses it and turns. The look stays for a video and differs between videos (the command names the
            packages that it needs)
  mixed     all classes of the three kinds, about twenty
"""


def add_command(commands: Commands) -> None:
    """Add the parser of ``synthetic``."""
    make = add_parser(
        commands, "synthetic", "write a small set of videos to try things out", SYNTHETIC_HELP, synthetic_command
    )
    make.add_argument("folder", metavar="FOLDER", help="made if missing")
    make.add_argument("--kind", choices=KINDS, default=KINDS[0], help="(shapes)")
    make.add_argument("--classes", type=int, help="kinds of shapes (6); the other kinds have their own classes")
    make.add_argument("--train", type=int, default=240, help="training videos (240)")
    make.add_argument("--val", type=int, default=120, help="validation videos, which are the test videos too (120)")
    make.add_argument("--seed", type=int, default=0, help="of the whole set (0)")


def synthetic_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo synthetic``."""
    from rhovideo.demo.labelled_set import RECEIPT, write_labelled_set
    from rhovideo.demo.video_kinds import video_kind

    folder = Path(options.folder)
    if (folder / "train.csv").exists() and not (folder / RECEIPT).exists():
        print_line(f"{folder} already holds train.csv, of other videos: choose another folder")
        return 2
    counts = {"train_videos": options.train, "val_videos": options.val}
    try:
        kind = video_kind(options.kind, options.classes)
        print_line(f"{folder}: writing {options.train + options.val} videos ...")
        stage(f"synthetic: writing {options.train + options.val} videos")
        write_labelled_set(folder, kind, **counts, seed=options.seed)
    except (OSError, ValueError) as error:
        print_line(str(as_foreseen(error) or error))
        return 2
    classes = len(kind.classes)
    print(f"{folder}: {options.train} training and {options.val} validation videos of {classes} classes")
    return 0
