"""All benchmarks, each in a program of its own, and their tables in benchmarks/RESULTS.md.

python -m benchmarks              all: a quarter of an hour on two idle cores, and once some minutes for the videos
python -m benchmarks loss step    these, shown alone; RESULTS.md stays as it is
python -m benchmarks.loss --only ρ=4    the rows of one whose text holds that
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUBJECTS = ("decode", "augment", "loader", "manifest", "loss", "step", "resume")
_RESULTS = Path(__file__).with_name("RESULTS.md")
_PACKAGES = (
    "torch",
    "torchvision",
    "av",
    "opencv-python-headless",
    "numpy",
    "pytorchvideo",
    "torchcodec",
    "decord2",
    "lightly",
)


def main(subjects: list[str]) -> None:
    """Run the subjects one after the other and write what they found; some alone only show their tables."""
    begin = time.monotonic()
    tables = [_run(subject) for subject in subjects or SUBJECTS]
    if not subjects:
        minutes = (time.monotonic() - begin) / 60
        _RESULTS.write_text(f"{_heading(minutes)}\n" + "\n".join(tables), encoding="utf-8")
        print(f"Written: {_RESULTS}")


def _run(subject: str) -> str:
    """The table of a subject, shown as it comes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "table.md"
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        begin = time.monotonic()
        subprocess.run([sys.executable, "-m", f"benchmarks.{subject}", "--out", str(out)], env=environment, check=True)
        print(f"== {subject}: {time.monotonic() - begin:.0f} s\n", flush=True)
        return out.read_text(encoding="utf-8")


def _heading(minutes: float) -> str:
    """What the figures hold for: date, machine and versions."""
    versions = []
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} absent")
    return (
        "# Benchmarks\n\n"
        f"`make bench` on {datetime.date.today().isoformat()}, in {minutes:.0f} minutes: {_processor()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}. {'; '.join(versions)}.\n\n"
        "Medians over interleaved repeats in one run. A ratio above 1 says how many times better ours is than that "
        "peer; figures of other machines are not to be compared with these.\n"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # Checked here, for argparse takes no empty list where choices are given.
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"some of {', '.join(SUBJECTS)}")
    wanted = parser.parse_args().subjects
    unknown = set(wanted) - set(SUBJECTS)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}")
    main(wanted)
