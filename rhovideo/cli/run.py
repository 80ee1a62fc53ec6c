"""``rhovideo run``: makes a plan of jobs from its arguments, and runs it, queues it or shows it."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from rhovideo.cli.arguments import split_configurations
from rhovideo.cli.dry_run import show_run, show_submission
from rhovideo.cli.parsers import Commands
from rhovideo.config.findings import ConfigError, Origin, Problem
from rhovideo.config.recipes.recipe_files import names_configuration
from rhovideo.config.schema import definitions
from rhovideo.launch.local.runner import run_plan
from rhovideo.launch.plan import Plan, make_plan, print_configurations
from rhovideo.launch.slurm.launcher import submit_plan
from rhovideo.terminal import print_line

LAUNCHERS = ("local", "slurm")

HELP = """\
Run one job for each configuration, in order.

  rhovideo run --cfg CONFIG [CONFIG ...] [KEY VALUE ...]

CONFIG is a YAML file, or a recipe that `rhovideo configs` lists. The first KEY begins the overrides; they hold for all
the files. Every file is read and checked before the first job starts.

examples:
  Pre-train, with the videos that data/k400/train.csv lists (`rhovideo index` makes it):
    rhovideo run --cfg pretrain/BYOL_SlowR50_8x8 DATA.PATH_TO_DATA_DIR data/k400

  Pre-train, then the linear protocol on what was learned. The second job takes the checkpoint of the first, since its
  TRAIN.CHECKPOINT_FILE_PATH is empty; each has its folder in outputs/chain:
    rhovideo run --cfg pretrain/MoCo_SlowR50_8x8 linear/K400_linear_SlowR50_8x8 \\
        --study outputs/chain DATA.PATH_TO_DATA_DIR data/k400

  A small machine, or a first try: a tiny network, in a minute:
    rhovideo run --cfg demo/moco demo/linear --study outputs/try MODEL.NUM_CLASSES 3 \\
        DATA.PATH_TO_DATA_DIR data/mine TRAIN.BATCH_SIZE 8 SOLVER.MAX_EPOCH 10

  Four clips of each video, at most 300 frames apart (ten seconds at 30 frames a second):
    rhovideo run --cfg my.yaml DATA.TRAIN_CROP_NUM_TEMPORAL 4 CONTRASTIVE.DELTA_CLIPS_MAX 300

  Two GPUs; or the CPU, in two processes:
    rhovideo run --cfg my.yaml NUM_GPUS 2
    rhovideo run --cfg my.yaml NUM_GPUS 0 NUM_CPU_PROCESSES 2

  Test a checkpoint on 10 x 3 views of each video; nearest neighbours and retrieval:
    rhovideo run --cfg my_linear.yaml TASK test TEST.CHECKPOINT_FILE_PATH path/to/checkpoint.pyth
    rhovideo run --cfg my.yaml TASK knn TEST.CHECKPOINT_FILE_PATH path/to/checkpoint.pyth

  See the resolved configuration of a file and its overrides, without running it:
    rhovideo run --cfg my.yaml SOLVER.BASE_LR 0.1 --print-cfg

on a SLURM cluster:
  The same command with --launcher slurm. First look at what would be queued, then queue it. Start it on the login node,
  in a folder that the nodes share; it returns at once:
    rhovideo run --cfg my.yaml --launcher slurm --partition gpu --nodes 2 --gpus-per-node 8 --time 1-00:00:00 --dry-run
    rhovideo run --cfg my.yaml --launcher slurm --partition gpu --nodes 2 --gpus-per-node 8 --time 1-00:00:00
    rhovideo status outputs/run

  TRAIN.BATCH_SIZE is the batch of one node, so two nodes take twice as many videos a step; the learning rate follows if
  SOLVER.BASE_LR_SCALE_NUM_SHARDS or SOLVER.BASE_LR_BATCH says so, as in the released recipes. Without --nodes,
  NUM_SHARDS says how many; without --gpus-per-node, NUM_GPUS.

  Several configurations are queued at once; each waits for the one before to succeed:
    rhovideo run --cfg pretrain/MoCo_SlowR50_8x8 linear/K400_linear_SlowR50_8x8 \\
        --study outputs/chain --launcher slurm --gpus-per-node 8

  Nodes without GPUs; an option of sbatch that has no flag here:
    rhovideo run --cfg my.yaml --launcher slurm --gpus-per-node 0 --tasks-per-node 4 --slurm-arg reservation=video

  Settings of the cluster go into ~/.config/rhovideo/cluster.yaml, as the keys of the configuration's SLURM section.
  That section wins over this file, and the flags win over both:
    PARTITION: gpu
    ACCOUNT: vision
    TIME: 1-00:00:00
    SETUP: ["module load cuda/12"]

sweeps:
  Every combination of the values is a chain of jobs, in STUDY/CELL/name of the configuration. Commas separate
  values, spaces separate keys; put quotes around all of it. On SLURM each stage of the chain is a job array, of which
  --max-jobs cells run at a time. Here they run one after the other. The same command goes on where it stopped (on
  SLURM with --resume):
    rhovideo run --cfg pretrain/BYOL_SlowR50_8x8_paper linear/K400_linear_SlowR50_8x8 \\
        --study outputs/rho --sweep "CONTRASTIVE.TYPE=moco,byol DATA.TRAIN_CROP_NUM_TEMPORAL=2,3,4"
    rhovideo run --cfg pretrain/MoCo_SlowR50_8x8_paper --study outputs/lr \\
        --sweep "SOLVER.BASE_LR=0.1,0.2,0.4" --launcher slurm --gpus-per-node 8 --max-jobs 2
    rhovideo results outputs/rho
  A cell takes all other keys from its file, so with one file every method has the same learning rate and head.

A job that is started again goes on from its newest checkpoint in OUTPUT_DIR (TRAIN.AUTO_RESUME). Ctrl-C writes one
after this step or the next one, and stops; a second Ctrl-C stops at once.
`rhovideo keys` explains every key, and `rhovideo run --help KEY` one.
Exit codes: 0 all jobs succeeded (on SLURM: are queued), 1 one failed, 2 the configuration or an argument is wrong.
"""

USAGE = """rhovideo run --cfg CONFIG [CONFIG ...] [KEY VALUE ...] [--opts KEY VALUE ...] [--print-cfg] [--dry-run]
       [--study FOLDER] [--sweep "KEY=VALUE,VALUE ..."] [--launcher slurm [SLURM FLAGS]]"""


@dataclass(frozen=True)
class SlurmFlag:
    """A flag that stands for a key of the SLURM section."""

    name: str
    key: str
    metavar: str
    help: str
    type: type = str

    @property
    def option(self) -> str:
        """Its name in argparse's namespace."""
        return self.name.removeprefix("--").replace("-", "_")


SLURM_FLAGS = tuple(
    SlurmFlag(key.flag, key.name, key.metavar, key.help, int if key.kind == "int" else str)
    for key in definitions().values()
    if key.flag
)


def add_command(commands: Commands) -> None:
    """Add the parser of ``run``."""
    form = argparse.RawDescriptionHelpFormatter
    run = commands.add_parser(
        "run", help="run configurations", description=HELP, formatter_class=form, usage=USAGE, takes_overrides=True
    )
    run.add_argument(
        "--cfg", metavar="CONFIG", nargs="+", action="extend", default=[], help="YAML files or recipes, one job each"
    )
    run.add_argument(
        "--opts",
        metavar="KEY VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="overrides, if they are not to follow --cfg directly",
    )
    run.add_argument("--print-cfg", action="store_true", help="print the merged configurations and stop")
    run.add_argument(
        "--dry-run", action="store_true", help="check, print what would run (on SLURM the sbatch files too) and stop"
    )
    run.add_argument("--study", metavar="FOLDER", help="where all run folders of this call go; needed by --sweep")
    run.add_argument("--sweep", metavar="KEY=VALUE,VALUE", action="append", help="run every combination of the values")
    add_launch_flags(run)
    run.set_defaults(function=run_command)


def add_launch_flags(parser: argparse.ArgumentParser) -> None:
    """Add what starts the processes: --launcher, and SLURM's flags."""
    parser.add_argument("--launcher", choices=LAUNCHERS, default="local", help="what starts the processes (local)")
    slurm = parser.add_argument_group("with --launcher slurm")
    slurm.add_argument(
        "--resume", action="store_true", help="go on in run folders that hold a run already; local runs always do"
    )
    for flag in SLURM_FLAGS:
        action = "append" if flag.name == "--slurm-arg" else "store"
        slurm.add_argument(flag.name, metavar=flag.metavar, type=flag.type, action=action, help=flag.help)


def run_command(options: argparse.Namespace) -> int:
    """Load the configurations and run them, queue them, or show what would run; the exit code."""
    configs, overrides = configurations_and_overrides(options)
    if not options.cfg or not configs:
        print_line(_no_configuration([*options.cfg, *options.overrides]))
        return 2
    slurm = options.launcher == "slurm"
    settings: list[object] = [*overrides, *flags_as_overrides(options, overrides)]
    sweep = None if options.sweep is None else " ".join(options.sweep)
    _refuse_loose_sweep(options, settings)
    plan = make_plan(configs, settings, sweep, options.study, slurm)
    for note in _notes(plan):
        print_line(note)
    if options.print_cfg:
        print_configurations(plan)
        return 0
    if options.dry_run:
        show_submission(plan, resume=options.resume) if slurm else show_run(plan)
        return 0
    return submit_plan(plan, resume=options.resume) if slurm else run_plan(plan)


def configurations_and_overrides(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The files of ``--cfg``, and the KEY VALUE pairs, of which those of ``--opts`` win."""
    configs, overrides = split_configurations([*options.cfg, *options.overrides])
    return configs, overrides + options.opts


def _no_configuration(arguments: Sequence[str]) -> str:
    first = arguments[0] if arguments else ""
    if names_configuration(first):
        return f"no configuration. Write --cfg before {first}"
    wrong = f"{first!r} is neither a YAML file nor a recipe. " if first else ""
    return f"no configuration. {wrong}Write --cfg CONFIG.yaml; --help shows examples, `rhovideo configs` lists recipes"


def _refuse_loose_sweep(options: argparse.Namespace, overrides: Sequence[object]) -> None:
    """Refuse a sweep whose quotes are missing: its later parts then stand among the overrides."""
    loose = [str(word) for word in overrides if options.sweep and re.fullmatch(r"[A-Z]\w*(\.\w+)*=.+", str(word))]
    if loose:
        whole = " ".join([*options.sweep, *loose])
        raise ConfigError(
            Problem("", Origin("--sweep"), f"{loose[0]} stands outside of it", f"--sweep {shlex.quote(whole)}")
        )


def flags_as_overrides(options: argparse.Namespace, overrides: Sequence[str]) -> list[object]:
    """The SLURM flags that were given, as KEY VALUE pairs.

    Raises:
        ConfigError: they are not for this launcher, or a key says the same.
    """
    given = [(flag, getattr(options, flag.option)) for flag in SLURM_FLAGS if getattr(options, flag.option) is not None]
    problems = []
    if options.launcher != "slurm":
        remedy = "--launcher slurm, or leave it out"
        if options.max_jobs is not None:
            print_line("--max-jobs has no effect here: on this machine the cells run one after the other")
        given = [(flag, value) for flag, value in given if flag.name != "--max-jobs"]
        problems = [Problem("", Origin(flag.name), "is for a SLURM cluster", remedy) for flag, _ in given]
    for flag, _ in given:
        if flag.key in overrides[::2]:
            problems.append(Problem(flag.key, Origin(flag.name), "is given as a flag and as a key", "one of them"))
    if problems:
        raise ConfigError(problems)
    return [word for flag, value in given for word in (flag.key, value)]


def _notes(plan: Plan) -> list[str]:
    """Notes on what was decided while loading, each once."""
    several = len(plan.cells[0].jobs) > 1
    return list(dict.fromkeys(f"{job.file}: {note}" if several else note for job in plan.jobs for note in job.notes))
