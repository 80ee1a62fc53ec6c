"""``rhovideo probe``: classifiers on features that ``rhovideo extract`` has written."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rhovideo.cli.parsers import Commands
from rhovideo.errors import JobError
from rhovideo.terminal import print_line

if TYPE_CHECKING:
    import torch

    from rhovideo.engine.probes.feature_set import ProbeData
    from rhovideo.engine.probes.kinds import Probed

KINDS = ("linear", "logistic", "knn", "attentive", "lowshot")
_DRAWS, _LABELS = 10, (1, 5, 10)

PROBE_HELP = """\
Measure features with classifiers that learn in seconds or minutes; the encoder does not run again. First extract the
features of the training videos and of the test videos, with the same checkpoint:

  rhovideo extract CHECKPOINT --data data/mine/train.csv --out features/mine/train
  rhovideo extract CHECKPOINT --data data/mine/test.csv --out features/mine/test

  rhovideo probe features/mine --kind linear

FEATURES is a folder with train and test in it, or the training features, with --test for the others.

  linear    SGD, 40 pairs of a learning rate and a weight decay at once
  logistic  multinomial logistic regression by L-BFGS, nine strengths C of the regularisation
  knn       weighted nearest neighbours, over k and the temperature
  attentive a learned query pools the tokens of `rhovideo extract --tokens`, then a linear layer classifies
  lowshot   logistic regression on 1, 5 and 10 labels a class: mean and standard deviation over draws of the labels

Settings are chosen on held-out training videos, never on test videos. Then the classifier learns from all training
videos and is tested once. lowshot chooses nothing: it has C 1.

OUT (FEATURES/probe_KIND) gets probe.json, and predictions.csv, per_class.csv and confusion.csv (not with lowshot).
"""


def add_command(commands: Commands) -> None:
    """Add the parser of ``probe``."""
    parser = commands.add_parser(
        "probe",
        help="measure extracted features in minutes",
        description=PROBE_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("features", metavar="FEATURES", help="folder of train and test, or the training features")
    parser.add_argument("--kind", choices=KINDS, required=True, help="the kind of classifier")
    parser.add_argument("--test", metavar="FEATURES", help="features of the test videos (FEATURES/test)")
    parser.add_argument("--out", metavar="OUT", help="folder to write to (FEATURES/probe_KIND)")
    parser.add_argument(
        "--labels", metavar="N", type=_positive, nargs="+", default=_LABELS, help="lowshot: labels a class (1 5 10)"
    )
    parser.add_argument(
        "--draws", metavar="N", type=_positive, default=_DRAWS, help=f"lowshot: draws of the labels ({_DRAWS})"
    )
    parser.add_argument("--seed", metavar="N", type=_not_negative, default=0, help="seed of what is drawn (0)")
    parser.set_defaults(function=probe_command)


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number}: write a whole number from 1 on")
    return number


def _not_negative(text: str) -> int:
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{number}: write a whole number, 0 or more")
    return number


def probe_command(options: argparse.Namespace) -> int:
    """Read the features, probe them, print and write the result; the exit code."""
    started = time.monotonic()
    train, test = _folders(options)
    out = Path(options.out).expanduser() if options.out else Path(options.features) / f"probe_{options.kind}"
    from rhovideo.engine.probes.feature_set import read_probe_data

    data = read_probe_data(train, test)
    if data.shared:
        print_line(f"warning: {data.shared} of {len(data.test.paths)} test videos are training videos too")
    if data.untrained:
        count = f"{data.untrained} of {len(data.test.paths)} test videos"
        print_line(f"warning: {count} are of classes without a training video: no classifier can get them right")
    found = _probed(options, data, out, started)
    from rhovideo.engine.probes.probe_outcome import FILE_NAME, as_text

    print(as_text(found))
    print(f"numbers: {out / FILE_NAME}", file=sys.stderr)
    return 0


def _folders(options: argparse.Namespace) -> tuple[Path, Path]:
    features = Path(options.features).expanduser()
    if options.test:
        return features, Path(options.test).expanduser()
    if (features / "train").is_dir() and (features / "test").is_dir():
        return features / "train", features / "test"
    raise JobError(
        f"{features}: there are no folders train and test in it: write --test and the folder of the test videos' "
        "features; `rhovideo probe --help` shows how both are extracted"
    )


def _probed(options: argparse.Namespace, data: ProbeData, out: Path, started: float) -> dict[str, Any]:
    import torch

    from rhovideo.engine.probes import kinds, probe_outcome
    from rhovideo.engine.probes.attentive import probe_attentive
    from rhovideo.engine.probes.low_shot import STRENGTH, probe_low_shot

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if options.kind == "lowshot":
        rows = probe_low_shot(data, device, tuple(options.labels), options.draws, options.seed)
        common = probe_outcome.summary(options.kind, data, options.seed, time.monotonic() - started)
        return probe_outcome.write(out, {**common, "C": STRENGTH, "low_shot": rows})
    probes: dict[str, Callable[[ProbeData, torch.device, int], Probed]] = {
        "linear": kinds.probe_linear,
        "logistic": kinds.probe_logistic,
        "knn": kinds.probe_neighbours,
        "attentive": probe_attentive,
    }
    probed = probes[options.kind](data, device, options.seed)
    common = probe_outcome.summary(options.kind, data, options.seed, time.monotonic() - started)
    more = {"chosen": probed.chosen, "tried": probed.tried}
    return probe_outcome.finish(out, data, common, probed.predicted, probed.confidence, more)
