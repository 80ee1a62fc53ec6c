"""The commands about data: ``rhovideo index``, ``scan`` and ``synthetic``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rhovideo.cli.parsers import Commands, add_parser
from rhovideo.errors import JobError, as_write_error
from rhovideo.terminal import print_line, stage

INDEX_HELP = """\
Write train.csv, val.csv and test.csv for a folder of videos. If it has sub-folders train, val and test (or training,
videos_val, test_256 and the like), these are the splits. Sub-folders with videos are the classes. A few videos outside
of them are left out, and the command names them. Files that UCF101, HMDB51 and Kinetics cut from one video stay
together.

examples:
  rhovideo index /data/videos                          lists in the same folder
  rhovideo index /data/videos --out data/mine --val-share 0.2
  rhovideo index /data/more --out data/more --classes data/mine/classes.txt      the same numbers of classes
  rhovideo index /data/UCF-101 --ucf101 /data/ucfTrainTestlist --out data/ucf101
  rhovideo index /data/hmdb51 --hmdb51 /data/testTrainMulti_7030_splits --out data/hmdb51

The last two write the three official splits to OUT/split1, OUT/split2 and OUT/split3.
"""

SCAN_HELP = """\
Decode every video of a list once, list the broken ones, and count the short and the HDR ones.

  rhovideo scan data/mine/train.csv

Writes train.broken.jsonl, a list of the broken videos, and train.clean.csv, the list without them. Exit code 1 if any
is broken.
"""

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
"""


def add_commands(commands: Commands) -> None:
    """Add the parsers of these commands."""
    index = add_parser(commands, "index", "list the videos of a folder", INDEX_HELP, index_command)
    index.add_argument("folder", metavar="FOLDER", help="where the videos are")
    index.add_argument("--out", metavar="OUT", help="where the lists go (FOLDER)")
    official = index.add_mutually_exclusive_group()
    official.add_argument("--ucf101", metavar="SPLITS", help="folder of UCF101's trainlist01.txt, testlist01.txt, ...")
    official.add_argument("--hmdb51", metavar="SPLITS", help="folder of HMDB51's *_test_split1.txt, ...")
    index.add_argument(
        "--val-share", type=float, default=0.1, help="share of each class for val.csv (0.1); with few videos write 0.3"
    )
    index.add_argument("--seed", type=int, default=0, help="seed of the choice for val.csv (0)")
    classes = index.add_mutually_exclusive_group()
    classes.add_argument("--no-labels", action="store_true", help="folders are not classes")
    classes.add_argument("--classes", metavar="FILE", help="names of the classes in their order, such as classes.txt")
    index.add_argument("--force", action="store_true", help="overwrite lists that exist")

    scan = add_parser(commands, "scan", "find broken videos, count short and HDR ones", SCAN_HELP, scan_command)
    scan.add_argument("csv", metavar="CSV", help="a list of videos")
    scan.add_argument("--separator", default=" ", help="between path and label (a blank), DATA.PATH_LABEL_SEPARATOR")
    scan.add_argument("--prefix", default="", help="where relative paths start (the list's folder), DATA.PATH_PREFIX")
    scan.add_argument("--skip-rows", type=int, default=0, help="lines to leave out at the top (0), DATA.SKIP_ROWS")
    scan.add_argument("--workers", type=int, help="processes (one a core)")

    make = add_parser(
        commands, "synthetic", "write a small set of videos to try things out", SYNTHETIC_HELP, synthetic_command
    )
    make.add_argument("folder", metavar="FOLDER", help="made if missing")
    make.add_argument("--kind", choices=("shapes", "physics", "footage"), default="shapes", help="(shapes)")
    make.add_argument("--classes", type=int, help="kinds of shapes (6); the other kinds have their own classes")
    make.add_argument("--train", type=int, default=240, help="training videos (240)")
    make.add_argument("--val", type=int, default=120, help="validation videos, which are the test videos too (120)")
    make.add_argument("--seed", type=int, default=0, help="of the whole set (0)")


def index_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo index``."""
    from rhovideo.data.lists.csv_parsing import ManifestError
    from rhovideo.data.lists.indexing.folder_index import IndexingError, ListsExistError, index_folder
    from rhovideo.data.lists.indexing.official_splits import index_hmdb51, index_ucf101

    out = options.out or options.folder
    if options.classes and (options.ucf101 or options.hmdb51):
        print_line("--classes is for folders, and the official splits of UCF101 and HMDB51 have numbers: leave it out")
        return 2
    try:
        if options.ucf101:
            index_ucf101(options.folder, options.ucf101, out, force=options.force)
        elif options.hmdb51:
            index_hmdb51(options.folder, options.hmdb51, out, force=options.force)
        else:
            labels = False if options.no_labels else None
            share, seed = options.val_share, options.seed
            order = {"labels": labels, "class_file": options.classes}
            index_folder(options.folder, out, val_share=share, seed=seed, force=options.force, **order)
    except (IndexingError, ManifestError, OSError) as error:
        print_line(f"{as_write_error(error) or error}" + (" (--force)" if isinstance(error, ListsExistError) else ""))
        return 2
    return 0


def scan_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo scan``."""
    from rhovideo.data.loading.scanning import scan

    if Path(options.csv).is_dir():
        print_line(f"{options.csv} is a folder: write one of its lists, {Path(options.csv) / 'train.csv'}")
        return 2
    try:
        report = scan(
            options.csv,
            separator=options.separator,
            prefix=options.prefix,
            skip_rows=options.skip_rows,
            workers=options.workers,
        )
    except (OSError, ValueError, JobError) as error:
        print_line(str(as_write_error(error) or error))
        return 2
    print(report)
    return 1 if report.broken else 0


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
        print_line(str(as_write_error(error) or error))
        return 2
    classes = len(kind.classes)
    print(f"{folder}: {options.train} training and {options.val} validation videos of {classes} classes")
    return 0
