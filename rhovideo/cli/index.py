"""``rhovideo index``: lists of the videos of a folder, or of a data set by its owners' annotations."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from rhovideo.cli.parsers import Commands, add_parser
from rhovideo.errors import as_foreseen
from rhovideo.terminal import print_line

INDEX_HELP = """\
Write train.csv, val.csv and test.csv for a folder of videos. If it has sub-folders train, val and test (or training,
videos_val, test_256 and the like), these are the splits. Sub-folders with videos are the classes. A few videos outside
of them are left out, and the command names them. Files that UCF101, HMDB51 and Kinetics cut from one video stay
together.

examples:
  rhovideo index /data/videos                          lists in the same folder
  rhovideo index /data/videos --out data/mine --val-share 0.2
  rhovideo index /data/more --out data/more --classes data/mine/classes.txt      the same numbers of classes

With the owners' annotations of a data set, the lists have its official splits. Videos that are missing are named in
missing.csv, and how many are there stands in official.json, so that a result can tell.

  rhovideo index /data/k400 --kinetics /data/k400/train.csv --kinetics /data/k400/validate.csv --out data/k400
  rhovideo index /data/ssv2 --ssv2 /data/ssv2_labels --out data/ssv2
  rhovideo index /data/Charades_v1_480 --charades /data/Charades --out data/charades
  rhovideo index /data/ava/videos --ava /data/ava/annotations --out data/ava
  rhovideo index /data/UCF-101 --ucf101 /data/ucfTrainTestlist --out data/ucf101
  rhovideo index /data/hmdb51 --hmdb51 /data/testTrainMulti_7030_splits --out data/hmdb51
  rhovideo index /data/diving48/rgb --diving48 /data/diving48 --out data/diving48

UCF101 and HMDB51 have three official splits: OUT/split1, OUT/split2 and OUT/split3.
"""

# What an owner's annotations are, by the option that names them.
_OFFICIAL = {
    "ssv2": ("LABELS", "folder of Something-Something V2's something-something-v2-train.json, ...-labels.json, ..."),
    "charades": ("FOLDER", "the unpacked Charades.zip, with Charades_v1_train.csv; for videos or frames"),
    "ava": ("FOLDER", "folder of ava_train_v2.2.csv and ava_val_v2.2.csv; for videos or frames"),
    "ucf101": ("SPLITS", "folder of UCF101's trainlist01.txt, testlist01.txt, ..."),
    "hmdb51": ("SPLITS", "folder of HMDB51's *_test_split1.txt, ..."),
    "diving48": ("FOLDER", "folder of Diving48_V2_train.json, Diving48_V2_test.json and Diving48_vocab.json"),
}


def add_command(commands: Commands) -> None:
    """Add the parser of ``index``."""
    index = add_parser(
        commands, "index", "list the videos of a folder, or of a known data set", INDEX_HELP, index_command
    )
    index.add_argument("folder", metavar="FOLDER", help="where the videos are")
    index.add_argument("--out", metavar="OUT", help="where the lists go (FOLDER)")
    official = index.add_mutually_exclusive_group()
    official.add_argument(
        "--kinetics",
        metavar="CSV",
        action="append",
        help="an annotation list of Kinetics-400, -600 or -700, or a folder of them; may be given several times",
    )
    for name, (metavar, text) in _OFFICIAL.items():
        official.add_argument(f"--{name}", metavar=metavar, help=text)
    index.add_argument(
        "--val-share", type=float, default=0.1, help="share of each class for val.csv (0.1); with few videos write 0.3"
    )
    index.add_argument("--seed", type=int, default=0, help="seed of the choice for val.csv (0)")
    classes = index.add_mutually_exclusive_group()
    classes.add_argument("--no-labels", action="store_true", help="folders are not classes")
    classes.add_argument("--classes", metavar="FILE", help="names of the classes in their order, such as classes.txt")
    index.add_argument("--force", action="store_true", help="overwrite lists that exist")


def index_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo index``."""
    from rhovideo.data.lists.csv_parsing import ManifestError
    from rhovideo.data.lists.indexing.folder_index import IndexingError, ListsExistError, index_folder

    named = next((name for name in ("kinetics", *_OFFICIAL) if getattr(options, name)), "")
    if wrong := _refused(options, named):
        print_line(wrong)
        return 2
    out = options.out or options.folder
    try:
        if named:
            write = _writer(named, options.classes)
            write(options.folder, getattr(options, named), out, force=options.force)
        else:
            labels = False if options.no_labels else None
            share, seed = options.val_share, options.seed
            order = {"labels": labels, "class_file": options.classes}
            index_folder(options.folder, out, val_share=share, seed=seed, force=options.force, **order)
    except (IndexingError, ManifestError, OSError) as error:
        print_line(f"{as_foreseen(error) or error}" + (" (--force)" if isinstance(error, ListsExistError) else ""))
        return 2
    return 0


def _refused(options: argparse.Namespace, named: str) -> str:
    """What is wrong with options for folders next to an owner's annotations; empty text for nothing."""
    if not named:
        return ""
    if options.classes and named != "kinetics":
        return f"--classes is for folders and for --kinetics, and the classes of --{named} have numbers: leave it out"
    if options.no_labels:
        return f"--no-labels is for folders, and --{named} has labels, which a pre-training does not use: leave it out"
    return ""


def _writer(named: str, classes: str | None) -> Callable[..., Any]:
    """The function that writes the lists of a data set."""
    from rhovideo.data.lists.indexing.official.ava import index_ava
    from rhovideo.data.lists.indexing.official.charades import index_charades
    from rhovideo.data.lists.indexing.official.diving48 import index_diving48
    from rhovideo.data.lists.indexing.official.kinetics import index_kinetics
    from rhovideo.data.lists.indexing.official.something import index_ssv2
    from rhovideo.data.lists.indexing.official.three_splits import index_hmdb51, index_ucf101

    writers: dict[str, Callable[..., Any]] = {
        "kinetics": partial(index_kinetics, class_file=classes),
        "ssv2": index_ssv2,
        "charades": index_charades,
        "ava": index_ava,
        "ucf101": index_ucf101,
        "hmdb51": index_hmdb51,
        "diving48": index_diving48,
    }
    return writers[named]
