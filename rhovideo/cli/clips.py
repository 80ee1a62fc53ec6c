"""``rhovideo clips``: the clips that a configuration would train on, as a picture or a film, before training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rhovideo.cli.arguments import split_configurations
from rhovideo.cli.parsers import Commands, HelpFormatter
from rhovideo.launch.plan import make_plan
from rhovideo.terminal import print_line

if TYPE_CHECKING:
    import numpy as np
    from fvcore.common.config import CfgNode

    from rhovideo.data.loading.shown_clips import ShownClips, ShownVideo

_ENDINGS = (".png", ".mp4", ".gif", ".webp")
# Videos that are drawn where nothing else is said.
_OF_CLIPS, _OF_DISTANCES = 4, 500

CLIPS_HELP = """\
Look at the clips that a configuration would train on, after decoding, cropping and changes of colour. Nothing is
trained.

  rhovideo clips CFG [KEY VALUE ...] --out sheet.png

CFG is a YAML file, or a recipe that `rhovideo configs` lists. The ending of FILE (--out) decides:
  .png               a group of rows for each video, a row for each of its clips, frames from left to right
  .mp4 .gif .webp    a row for each video, in which its clips play side by side, at the video's speed

examples:
  rhovideo clips demo/moco DATA.PATH_TO_DATA_DIR data/mine --out sheet.png
  rhovideo clips pretrain/BYOL_SlowR50_8x8 DATA.PATH_TO_DATA_DIR data/k400 --out clips.mp4 --seed 2
  rhovideo clips outputs/mine/config.yaml --out epoch8.png --epoch 8 --videos 8

With --distances the picture shows how far apart in time a video's clips are that a run would draw, beside the exact
law, for each frame rate of the list (needs pip install 'rhovideo[report]'):
  rhovideo clips pretrain/BYOL_SlowR50_8x8 DATA.PATH_TO_DATA_DIR data/k400 \\
      CONTRASTIVE.DELTA_SECONDS_MAX 5 --distances --out distances.png

A run gets exactly these clips of these videos in this epoch: the same times, crops and colours. With a configuration
that only measures (test, knn, logistic, extract), they are the clips that the encoder gets.
Exit codes: 0 FILE is written, 1 no video can be read, 2 the configuration or an argument is wrong.
"""


def add_command(commands: Commands) -> None:
    """Add the parser of ``clips``."""
    parser = commands.add_parser(
        "clips",
        help="look at the clips that a configuration trains on",
        description=CLIPS_HELP,
        formatter_class=HelpFormatter,
        usage="rhovideo clips CFG [KEY VALUE ...] --out FILE [--videos N] [--seed N] [--epoch N | --distances]",
        takes_overrides=True,
    )
    parser.add_argument("--cfg", metavar="CFG", help=argparse.SUPPRESS)
    parser.add_argument("--out", metavar="FILE", required=True, type=Path, help="ends in .png, .mp4, .gif or .webp")
    parser.add_argument(
        "--videos", metavar="N", type=int, help="videos that are drawn, from different classes (4; 500 of --distances)"
    )
    parser.add_argument("--seed", metavar="N", type=int, help="in place of RNG_SEED")
    parser.add_argument("--epoch", metavar="N", type=int, default=1, help="the epoch whose clips are shown, from 1 (1)")
    parser.add_argument("--distances", action="store_true", help="draw the distances of the clips, in seconds")
    parser.set_defaults(function=clips_command)


def clips_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo clips``."""
    if options.videos is None:
        options.videos = _OF_DISTANCES if options.distances else _OF_CLIPS
    configs, overrides = split_configurations([*([options.cfg] if options.cfg else []), *options.overrides])
    if wrong := _wrong_argument(options, configs):
        print_line(wrong)
        return 2
    seed = [] if options.seed is None else ["RNG_SEED", str(options.seed)]
    (job,) = make_plan(configs, [*overrides, *seed]).jobs
    for note in job.notes:
        print_line(note)
    if options.distances:
        return _draw_distances(options, job.cfg, configs[0])
    print_line(f"reading the clips of {options.videos} videos ...")
    from rhovideo.data.loading.shown_clips import shown_clips

    try:
        shown = shown_clips(job.cfg, options.videos, epoch=options.epoch - 1)
        for failure in shown.failures:
            print_line(f"{failure.path}, line {failure.line} of {shown.csv}: {failure.reason}")
        if not shown.videos:
            print_line(f"no video of {shown.csv} that was tried can be read: `rhovideo scan {shown.csv}` tries all")
            return 1
        _write(options.out, shown, f"{configs[0]}: {_what(shown)}, epoch {options.epoch}")
    except OSError as error:
        print_line(f"{error.filename or options.out}: {error.strerror or error}")
        return 2
    for video in shown.videos:
        print(f"{_title(video)}: {'; '.join(_times(video))}")
    print(options.out)
    return 0


def _draw_distances(options: argparse.Namespace, cfg: CfgNode, config: str) -> int:
    """Draw the distances of the clips of a pre-training, and say how far they are from their law."""
    from rhovideo.data.loading.drawn_distances import drawn_distances
    from rhovideo.report.distance_plot import draw_distances
    from rhovideo.report.drawing import require_libraries

    require_libraries()
    print_line(f"opening up to {options.videos} videos ...")
    try:
        found = drawn_distances(cfg, options.videos)
        if found.unreadable:
            print_line(
                f"{found.unreadable} videos of {found.csv} cannot be read: `rhovideo scan {found.csv}` names them"
            )
        if not found.rates:
            return 1
        limits = f"DELTA_SECONDS {cfg.CONTRASTIVE.DELTA_SECONDS_MIN:g} to {cfg.CONTRASTIVE.DELTA_SECONDS_MAX:g}"
        title = f"{config}: rho {cfg.DATA.TRAIN_CROP_NUM_TEMPORAL}, {limits}, {found.epochs} epochs"
        draw_distances(found, title, options.out)
    except OSError as error:
        print_line(f"{error.filename or options.out}: {error.strerror or error}")
        return 2
    for rate in found.rates:
        print(f"{rate.fps:g} frames/s: {rate.videos:,} videos")
    deviations, difference = found.farthest
    bins = sum(int((rate.chance > 0).sum()) for rate in found.rates)
    print(
        f"largest difference from the exact law, of {bins} bins: {100 * difference:.2f} points, "
        f"{deviations:.1f} standard deviations"
    )
    print(options.out)
    return 0


def _wrong_argument(options: argparse.Namespace, configs: list[str]) -> str:
    """A sentence on the first argument that is wrong; empty if none is."""
    if len(configs) != 1:
        first = options.overrides[0] if options.overrides else ""
        said = f"{first!r} is neither a YAML file nor a recipe. " if first and not configs else ""
        example = "rhovideo clips CONFIG.yaml --out sheet.png; `rhovideo configs` lists recipes"
        return f"{said}Write one configuration: {example}"
    if options.out.suffix.lower() not in _ENDINGS:
        return f"--out {options.out}: its ending decides what is written, one of {' '.join(_ENDINGS)}"
    if options.distances and options.out.suffix.lower() != ".png":
        return f"--out {options.out}: the picture of --distances is a PNG: write a name that ends in .png"
    for name in ("videos", "epoch"):
        if getattr(options, name) < 1:
            return f"--{name} {getattr(options, name)}: write 1 or more"
    return ""


def _write(out: Path, shown: ShownClips, title: str) -> None:
    from rhovideo.pictures.clip_animation import animation, write_film
    from rhovideo.pictures.contact_sheet import contact_sheet

    clips = [video.clips for video in shown.videos]
    names, rows = [_title(video) for video in shown.videos], [_times(video) for video in shown.videos]
    kind = out.suffix.lower()
    if kind == ".png":
        contact_sheet(clips, out, title=title, names=names, rows=rows)
        return
    frames = _playing(clips, names, rows, title)
    rate = sorted(video.rate for video in shown.videos)[len(shown.videos) // 2]
    if kind == ".mp4":
        write_film(out, frames, rate)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(animation(frames, rate, "gif" if kind == ".gif" else "webp"))


def _playing(clips: list[np.ndarray], names: list[str], rows: list[list[str]], title: str) -> np.ndarray:
    """The pictures of a film, uint8 [T,H,W,3]: a row for each video, its clips side by side."""
    import numpy as np

    from rhovideo.pictures.contact_sheet import playing_sheet

    return np.stack([playing_sheet(clips, time, names, rows, title) for time in range(clips[0].shape[1])])


def _what(shown: ShownClips) -> str:
    kinds = {"pretrain": "pre-training clips", "train": "training clips", "test": "test clips", "knn": "clips for k-NN"}
    return f"{kinds[shown.purpose]} of {Path(shown.csv).name}"


def _title(video: ShownVideo) -> str:
    label = f", label {video.label}" if video.label >= 0 else ""
    return f"line {video.line}: {_shortened(video.path)}{label}"


def _shortened(path: str) -> str:
    """The file's name, after the name of its folder, which is often its class."""
    name = "/".join(Path(path).parts[-2:])
    # A name that is not UTF-8 can be printed so.
    return name.encode("utf-8", "backslashreplace").decode()


def _times(video: ShownVideo) -> list[str]:
    return [f"{first:.2f} - {last:.2f} s" for first, last in video.seconds]
