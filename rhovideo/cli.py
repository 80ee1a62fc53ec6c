"""The command line: ``rhovideo run``, ``index``, ``scan`` and ``synthetic``.

Torch is imported only once the words and the configurations are known to be right.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from rhovideo import cli_look
from rhovideo.config.loading import Loaded
from rhovideo.config.problems import ConfigError
from rhovideo.errors import JobError
from rhovideo.launch import LAUNCHERS, RankFailed, get_launcher
from rhovideo.launch.jobs import check_jobs, load_jobs, with_checkpoint_of_earlier_job

OVERVIEW = """\
Unsupervised learning from videos: pre-train an encoder on rho clips of each video, then measure it.

  rhovideo index /data/videos --out data/mine          list the videos of a folder
  rhovideo run --cfg configs/pretrain/MoCo_SlowR50_8x8.yaml DATA.PATH_TO_DATA_DIR data/mine
  rhovideo run --help                                  more on running
"""

RUN_HELP = """\
Run one job for each configuration, in order.

  rhovideo run --cfg CONFIG [CONFIG ...] [KEY VALUE ...]

The first word that does not end in .yaml or .yml begins the overrides; they hold for all the files.
Every file is read and checked before the first job starts.

examples:
  Pre-train, with the videos that data/k400/train.csv lists (`rhovideo index` makes it):
    rhovideo run --cfg configs/pretrain/BYOL_SlowR50_8x8.yaml DATA.PATH_TO_DATA_DIR data/k400

  Pre-train, then the linear protocol on what was learned. The second job takes the checkpoint of the first, since its
  TRAIN.CHECKPOINT_FILE_PATH is empty:
    rhovideo run --cfg configs/pretrain/MoCo_SlowR50_8x8.yaml configs/linear/K400_linear_SlowR50_8x8.yaml \\
        DATA.PATH_TO_DATA_DIR data/k400

  Four clips of each video, at most ten seconds of 30 frames apart:
    rhovideo run --cfg my.yaml DATA.TRAIN_CROP_NUM_TEMPORAL 4 CONTRASTIVE.DELTA_CLIPS_MAX 300

  Two GPUs; or the CPU, in two processes:
    rhovideo run --cfg my.yaml NUM_GPUS 2
    rhovideo run --cfg my.yaml NUM_GPUS 0 NUM_CPU_PROCESSES 2

  Test a checkpoint on 10 x 3 views of each video; nearest neighbours and retrieval:
    rhovideo run --cfg my_linear.yaml TASK test TEST.CHECKPOINT_FILE_PATH path/to/checkpoint.pyth
    rhovideo run --cfg my.yaml TASK knn TEST.CHECKPOINT_FILE_PATH path/to/checkpoint.pyth

  See what a file and its overrides amount to, without running it:
    rhovideo run --cfg my.yaml SOLVER.BASE_LR 0.1 --print-cfg

A job that is started again goes on from its newest checkpoint in OUTPUT_DIR (TRAIN.AUTO_RESUME).
TRAIN.BATCH_SIZE is the batch of one machine. Every key is explained in rhovideo/config/schema.py.
Exit codes: 0 all jobs succeeded, 1 one failed, 2 the configuration or the words are wrong.
"""

INDEX_HELP = """\
Write train.csv, val.csv and test.csv for a folder of videos. Sub-folders train, val and test are taken as the splits;
folders below them as classes, if all videos lie in such.

examples:
  rhovideo index /data/videos                          lists beside the videos
  rhovideo index /data/videos --out data/mine --val-share 0.2
  rhovideo index /data/UCF-101 --ucf101 /data/ucfTrainTestlist --out data/ucf101
  rhovideo index /data/hmdb51 --hmdb51 /data/testTrainMulti_7030_splits --out data/hmdb51

The last two write the three official splits to OUT/split1, OUT/split2 and OUT/split3.
"""

SCAN_HELP = """\
Decode every video of a list once, and tell which are broken.

  rhovideo scan data/mine/train.csv

Writes train.broken.jsonl, and train.clean.csv without them. Exit code 1 if any is broken.
"""

SYNTHETIC_HELP = """\
Write a small labelled set of real H.264 videos (moving textured shapes) with its lists, to try things out.

  rhovideo synthetic data/synthetic --classes 4 --train 64 --val 16
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        words: without the program's name; None takes ``sys.argv``.

    Returns:
        The exit code: 0, 1 where a job failed, 2 where the words or a configuration are wrong.
    """
    words = list(sys.argv[1:] if words is None else words)
    parser = _parser()
    configs: list[str] = []
    overrides: list[str] = []
    if words[:1] == ["run"]:
        configs, overrides, words = split_run_words(words)
    options = parser.parse_args(words)
    try:
        if options.command == "run":
            return run_command(options, configs, overrides)
        return options.function(options)
    except ConfigError as error:
        _complain(error)
        return 2
    except KeyboardInterrupt:
        print("rhovideo: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="rhovideo", description=OVERVIEW, formatter_class=form)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run", help="run configurations", description=RUN_HELP, formatter_class=form, usage=_RUN_USAGE
    )
    run.add_argument("--cfg", metavar="CONFIG", nargs="+", help="YAML files, one job each")
    run.add_argument(
        "--opts", metavar="KEY VALUE", nargs="+", help="overrides, if they are not to follow --cfg directly"
    )
    run.add_argument("--print-cfg", action="store_true", help="print the merged configurations and stop")
    run.add_argument("--launcher", choices=list(LAUNCHERS), default="local", help="what starts the processes (local)")

    index = commands.add_parser("index", help="list a folder's videos", description=INDEX_HELP, formatter_class=form)
    index.add_argument("folder", metavar="FOLDER", help="where the videos are")
    index.add_argument("--out", metavar="OUT", help="where the lists go (FOLDER)")
    official = index.add_mutually_exclusive_group()
    official.add_argument("--ucf101", metavar="SPLITS", help="folder of UCF101's trainlist01.txt, testlist01.txt, ...")
    official.add_argument("--hmdb51", metavar="SPLITS", help="folder of HMDB51's *_test_split1.txt, ...")
    index.add_argument("--val-share", type=float, default=0.1, help="share of each class for val.csv (0.1)")
    index.add_argument("--seed", type=int, default=0, help="of that choice (0)")
    index.add_argument("--no-labels", action="store_true", help="folders are not classes")
    index.add_argument("--force", action="store_true", help="overwrite lists that exist")
    index.set_defaults(function=index_command)

    scan = commands.add_parser("scan", help="find broken videos", description=SCAN_HELP, formatter_class=form)
    scan.add_argument("csv", metavar="CSV", help="a list of videos")
    scan.add_argument("--separator", default=" ", help="between path and label (a blank), DATA.PATH_LABEL_SEPARATOR")
    scan.add_argument("--prefix", default="", help="where relative paths start (the list's folder), DATA.PATH_PREFIX")
    scan.add_argument("--skip-rows", type=int, default=0, help="lines to leave out at the top (0), DATA.SKIP_ROWS")
    scan.add_argument("--workers", type=int, help="processes (one a CPU)")
    scan.set_defaults(function=scan_command)

    make = commands.add_parser("synthetic", help="write a toy set", description=SYNTHETIC_HELP, formatter_class=form)
    make.add_argument("folder", metavar="FOLDER", help="made if missing")
    make.add_argument("--classes", type=int, default=6, help="(6)")
    make.add_argument("--train", type=int, default=240, help="training videos (240)")
    make.add_argument("--val", type=int, default=120, help="validation videos, which are the test videos too (120)")
    make.add_argument("--seed", type=int, default=0, help="of the whole set (0)")
    make.set_defaults(function=synthetic_command)

    cli_look.add_commands(commands)
    return parser


_RUN_USAGE = "rhovideo run --cfg CONFIG [CONFIG ...] [KEY VALUE ...] [--opts KEY VALUE ...] [--print-cfg]"


def split_run_words(words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Sort the words of ``run`` into configurations, overrides, and what argparse is to read.

    By hand, since argparse takes a value such as ``-inf`` for an option.
    """
    configs, overrides, options = [], [], []
    taking_configs = False
    words = iter(words)
    for word in words:
        name, equals, value = word.partition("=")
        if name in ("--cfg", "--opts") and equals:
            (configs if name == "--cfg" else overrides).append(value)
        elif word in ("--cfg", "--opts"):
            taking_configs = word == "--cfg"
        elif word == "--launcher":
            options += [word, *[value for value in [next(words, None)] if value]]
        elif word.startswith("--") or word == "-h" or (word == "run" and not options):
            options.append(word)
        elif taking_configs and _is_yaml(word):
            configs.append(word)
        else:
            overrides.append(word)
            taking_configs = False
    return configs, overrides, options


def _is_yaml(word: str) -> bool:
    return word.endswith((".yaml", ".yml"))


def run_command(options: argparse.Namespace, configs: list[str], overrides: list[str]) -> int:
    """``rhovideo run``: check everything, then run the jobs one after the other."""
    if not configs:
        first = f"{overrides[0]!r} does not end in .yaml or .yml. " if overrides else ""
        print(f"rhovideo: no configuration. {first}Write --cfg CONFIG.yaml; --help shows examples.", file=sys.stderr)
        return 2
    jobs = load_jobs(configs, overrides)
    if options.print_cfg:
        _print_configurations(jobs)
        return 0
    # The machine is looked at only where the files are right: that takes torch.
    check_jobs(jobs, lambda cfg: get_launcher(options.launcher).check_machine(cfg))
    for number, job in enumerate(jobs):
        if not _run_job(jobs, number, get_launcher(options.launcher).launch):
            left = [later.file for later in jobs[number + 1 :]]
            _say(f"{job.file} failed" + (f"; not run: {', '.join(left)}" if left else ""))
            return 1
    return 0


def _run_job(jobs: list[Loaded], number: int, launch: Callable) -> bool:
    """Whether the job succeeded; what went wrong is printed."""
    cfg, filled_in = with_checkpoint_of_earlier_job(jobs, number)
    from rhovideo.engine.run import run

    for note in [*jobs[number].notes, *([filled_in] if filled_in else [])]:
        _say(note)
    if len(jobs) > 1:
        _say(f"job {number + 1} of {len(jobs)}: {jobs[number].file}")
    try:
        launch(run, cfg)
    except ConfigError:
        raise
    except RankFailed as failure:
        print(failure, file=sys.stderr, flush=True)
        return False
    except JobError as error:
        _say(str(error))
        return False
    except Exception:
        traceback.print_exc()
        return False
    return True


def _print_configurations(jobs: list[Loaded]) -> None:
    for job in jobs:
        print(f"---\n# {job.file}\n{job.cfg.dump()}", end="")


def _say(text: str) -> None:
    """A line for the person who started this, once a job."""
    if os.environ.get("RANK", "0") == "0":
        print(f"rhovideo: {text}", file=sys.stderr, flush=True)


def _complain(error: ConfigError) -> None:
    count = len(error.problems)
    _say(f"the configuration cannot be used, {count} problem{'s' if count > 1 else ''}:\n{error}")


def index_command(options: argparse.Namespace) -> int:
    """``rhovideo index``."""
    from rhovideo.data.indexing import IndexingError, index_folder, index_hmdb51, index_ucf101

    out = options.out or options.folder
    try:
        if options.ucf101:
            index_ucf101(options.folder, options.ucf101, out, force=options.force)
        elif options.hmdb51:
            index_hmdb51(options.folder, options.hmdb51, out, force=options.force)
        else:
            labels = False if options.no_labels else None
            share, seed = options.val_share, options.seed
            index_folder(options.folder, out, val_share=share, seed=seed, labels=labels, force=options.force)
    except (IndexingError, OSError) as error:
        _say(f"{error}" + ("" if options.force else " (--force overwrites)" if "already" in str(error) else ""))
        return 2
    return 0


def scan_command(options: argparse.Namespace) -> int:
    """``rhovideo scan``."""
    from rhovideo.data.scanning import scan

    try:
        report = scan(
            options.csv,
            separator=options.separator,
            prefix=options.prefix,
            skip_rows=options.skip_rows,
            workers=options.workers,
        )
    except (OSError, ValueError) as error:
        _say(str(error))
        return 2
    print(report)
    return 1 if report.broken else 0


def synthetic_command(options: argparse.Namespace) -> int:
    """``rhovideo synthetic``."""
    from rhovideo.data.synthetic import write_synthetic

    counts = {"num_classes": options.classes, "train_videos": options.train, "val_videos": options.val}
    try:
        folder = write_synthetic(options.folder, **counts, seed=options.seed)
    except (OSError, ValueError) as error:
        _say(str(error))
        return 2
    print(f"{folder}: {options.train} training and {options.val} validation videos of {options.classes} classes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
