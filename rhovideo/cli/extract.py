"""``rhovideo extract``: its arguments, and the list of videos that they stand for."""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.atomic_files import writing, written_whole
from rhovideo.cli.generated_configs import add_parser, launch_written, refuse_flags_as_keys, show_written
from rhovideo.cli.parsers import Commands
from rhovideo.cli.run import flags_as_overrides
from rhovideo.config.list_names import CLASS_NAMES_FILE
from rhovideo.errors import JobError
from rhovideo.protocols.evaluation_folder import is_to_run
from rhovideo.protocols.recipes import as_yaml, extract_recipe, resolve
from rhovideo.runs.folder import read_results
from rhovideo.terminal import print_line
from rhovideo.zoo.sources import local_path

CONFIG_NAME = "extract.yaml"
# The list as it was when the extraction began, in OUT.
_LIST, _CLASSES = Path("list/test.csv"), Path("list", CLASS_NAMES_FILE)
_CLIPS = 10

EXTRACT_HELP = """\
Write the pooled features of videos: features.npy, float16 [N, C], and manifest.csv with a line for each row of it (row,
path, label, ok, and the name of the class if there is a classes.txt).

  rhovideo extract CHECKPOINT --data FOLDER_OR_CSV --out OUT [--encoder online|momentum] [--clips N] [KEY VALUE ...]

CHECKPOINT is a file, a URL, or the short name of a released one. FOLDER holds videos, in sub-folders too. If every
video is in a sub-folder, the sub-folders are the classes. CSV is a list, `path label` or `path` a line.

With --tokens a video has many features: the encoder's last feature map before pooling, one clip after the other.
For a Slow R-50 8 x 8 and crops of 224 that is 1.6 MB for each clip. `rhovideo probe --kind attentive` takes it.

examples:
  rhovideo extract byol_slow_r50_8x8_rho4 --data /data/videos --out features/mine
  rhovideo extract outputs/mine/checkpoints/checkpoint_epoch_00200.pyth --data data/mine/train.csv --out features/train
  rhovideo extract byol_slow_r50_8x8_rho4 --data data/k400/train.csv --out features/k400 --launcher slurm --nodes 4

  features = numpy.load("features/mine/features.npy", mmap_mode="r")

It runs a process on each GPU, or N processes on the CPU with NUM_GPUS 0 NUM_CPU_PROCESSES N. You may stop it at any
time: the same command goes on where it was, with any number of processes, and gives the same result. Only on a CPU,
another number of threads in a process changes the rounding; OMP_NUM_THREADS=1 avoids that. A video that cannot be read
has a row of zeros, and ok is 0.
"""

EXTRACT_USAGE = """rhovideo extract CHECKPOINT --data FOLDER_OR_CSV --out OUT [--encoder ENCODER] [--clips N]
       [--tokens] [KEY VALUE ...] [--dry-run] [--launcher slurm [SLURM FLAGS]]"""

_FLAG_OF = {
    "TASK": "another command: this one extracts",
    "OUTPUT_DIR": "--out",
    "DATA.PATH_TO_DATA_DIR": "--data",
    "KNN.NUM_CLIPS": "--clips",
    "TRAIN.CHECKPOINT_FILE_PATH": "CHECKPOINT",
    "TEST.CHECKPOINT_FILE_PATH": "CHECKPOINT",
    "TRAIN.CHECKPOINT_ENCODER": "--encoder",
    "TEST.TOKENS": "--tokens",
}


def add_command(commands: Commands) -> None:
    """Add the parser of ``extract``."""
    parser = add_parser(commands, "extract", "write features of videos", EXTRACT_HELP, EXTRACT_USAGE)
    parser.add_argument("--data", metavar="FOLDER_OR_CSV", required=True, help="videos, or a list of them")
    parser.add_argument("--out", metavar="OUT", required=True, help="folder to write to, made if missing")
    parser.add_argument("--clips", metavar="N", type=int, help=f"of a video, averaged ({_CLIPS}; with --tokens 1)")
    parser.add_argument("--tokens", action="store_true", help="the feature map before pooling, [N, tokens, C]")
    parser.set_defaults(function=extract_command)


def extract_command(options: argparse.Namespace) -> int:
    """Find the videos, then extract their features; the exit code."""
    slurm = options.launcher == "slurm"
    overrides = [*options.overrides, *flags_as_overrides(options, options.overrides)]
    refuse_flags_as_keys(overrides, _FLAG_OF)
    out = Path(options.out)
    # First what takes no torch: the arguments.
    clips = options.clips or (1 if options.tokens else _CLIPS)
    given = resolve({"TASK": "extract", "KNN.NUM_CLIPS": clips}, overrides)
    for note in given.notes:
        print_line(note)
    listed, classes, root = _videos(Path(options.data).expanduser(), out, given.cfg)
    _refuse_other_list(out / _LIST, listed)
    local_path(options.checkpoint)
    from rhovideo.protocols.measured_checkpoint import examine

    subject = examine(options.checkpoint, options.encoder)
    if subject.note:
        print_line(subject.note)
    settings = extract_recipe(subject, clips, options.encoder)
    if options.tokens:
        settings["TEST.TOKENS"] = True
    settings |= {
        "DATA.PATH_TO_DATA_DIR": str((out / _LIST.parent).absolute()),
        "DATA.PATH_PREFIX": root,
        "OUTPUT_DIR": str(out),
    }
    # The list is copied, so its relative paths need the folder that they start from.
    pairs = zip(overrides[::2], overrides[1::2], strict=True)
    overrides = [word for pair in pairs if pair[0] != "DATA.PATH_PREFIX" for word in pair]
    cfg = resolve(settings, overrides).cfg
    heading = f"Features of {options.data} by {options.checkpoint}, written by `rhovideo extract`."
    text = as_yaml(settings, overrides, cfg, heading)
    if options.print_cfg or options.dry_run:
        # The list is written to OUT when the extraction starts.
        return show_written(options, CONFIG_NAME, text, ["the list", "the checkpoint"], without=["files", "lists"])
    if is_to_run(out / CONFIG_NAME, cfg):
        _write_list(out, listed, classes)
        code = launch_written(out / CONFIG_NAME, text, slurm, options.resume)
        if code or slurm:
            return code
    return _report(out)


def _videos(data: Path, out: Path, cfg: CfgNode) -> tuple[bytes, list[str], str]:
    """The bytes of the list, the names of the classes where folders are classes, and the folder of relative paths.

    Raises:
        JobError: there is nothing of this name, no video, or the list cannot be used.
    """
    from rhovideo.data.lists.classes.class_names import read_class_names
    from rhovideo.data.lists.csv_parsing import ManifestError
    from rhovideo.data.lists.frame_lists import FIRST_WORD
    from rhovideo.data.lists.list_mistakes import VIDEO_ENDINGS
    from rhovideo.data.lists.manifest import Manifest, root_of

    if data.is_dir():
        from rhovideo.data.lists.indexing.folder_index import IndexingError, list_folder

        try:
            listed, classes, left_out = list_folder(data, out / _LIST.parent)
        except IndexingError as error:
            raise JobError(_with_lists_of(data, str(error))) from error
        for item in left_out:
            print_line(f"left out: {item}")
        return listed, classes, str((out / _LIST.parent).absolute())
    if not data.is_file():
        raise JobError(f"--data {data}: there is no such folder or list; write a folder of videos, or a CSV of paths")
    keys = cfg.DATA
    if data.open("rb").read(len(FIRST_WORD)) == FIRST_WORD.encode():
        raise JobError(
            f"--data {data}: is a list of images, not of videos; `rhovideo run` extracts those: TASK extract, "
            "TRAIN.DATASET ssv2, DATA.PATH_TO_DATA_DIR the folder of val.csv, TEST.CHECKPOINT_FILE_PATH the checkpoint"
        )
    try:
        Manifest.open(
            data,
            separator=keys.PATH_LABEL_SEPARATOR,
            prefix=keys.PATH_PREFIX,
            skip_rows=keys.SKIP_ROWS,
            cache_dir=keys.MANIFEST_CACHE,
        )
    except ManifestError as error:
        video = data.name.lower().endswith(VIDEO_ENDINGS)
        raise JobError(f"--data {data}: is a video; write its folder" if video else str(error)) from error
    return data.read_bytes(), read_class_names(data.parent), root_of(data, keys.PATH_PREFIX)


def _with_lists_of(folder: Path, message: str) -> str:
    lists = sorted(path.name for path in folder.glob("*.csv"))
    return message + (f"; it holds lists: write {folder / lists[0]} to take that" if lists else "")


def _refuse_other_list(path: Path, listed: bytes) -> None:
    """Stop where an earlier call has begun with other videos: its rows are of those."""
    before = path.read_bytes() if path.exists() else listed
    if before != listed:
        command = shlex.join(["rhovideo", "run", "--cfg", str(path.parent.parent / CONFIG_NAME)])
        raise JobError(
            f"{path}: the extraction there began with other videos, or in another order ({_content(before)} then, "
            f"{_content(listed)} now): write another --out, or `{command}` to go on with those"
        )


def _content(listed: bytes) -> str:
    rows = sum(1 for line in listed.splitlines() if line.strip())
    return f"{rows} rows with sha256 {hashlib.sha256(listed).hexdigest()[:12]}"


def _write_list(out: Path, listed: bytes, classes: list[str]) -> None:
    for path, content in ((out / _LIST, listed), (out / _CLASSES, b"".join(os.fsencode(f"{c}\n") for c in classes))):
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        if content and not path.exists():
            with written_whole(path) as file:
                file.write(content)


def _report(out: Path) -> int:
    """Print what was written, once a job; the exit code."""
    if os.environ.get("RANK", "0") == "0":
        from rhovideo.engine.evaluation.feature_file import IDENTITY, check_features, content_of

        found = read_results(out)
        check_features(out, found)
        videos, dim, bad = found.get("videos", 0), found.get("dim", 0), found.get("unreadable", 0)
        tokens = found.get("tokens", 0)
        of_video = f"{tokens}, {dim}" if tokens else f"{dim}"
        print(f"{out}/features.npy: float16 [{videos}, {of_video}], rows in {out}/manifest.csv")
        print(f"{content_of(out)}; all that they depend on is in {out}/{IDENTITY}")
        if bad:
            print(f"{bad} videos could not be read; their rows are zeros, ok is 0; reasons in {out}/bad_videos.jsonl")
    return 0
