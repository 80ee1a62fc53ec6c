"""Names of files and classes are text on the page, whatever they hold; damaged files are named and left out."""

from __future__ import annotations

import csv
import re
import shutil

import numpy as np
import pytest

from rhovideo.report import write_report
from tests.browser import open_page

EVIL = "<script>window.__errors.push('ran')</script>"
EVIL_ATTRIBUTE = '"><img src=x onerror="window.__errors.push(\'ran\')">'


def test_scripts_in_names_do_not_run(workplace, linear_run, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(workplace / "data", data)
    (data / "classes.txt").write_text(f"{EVIL}\n{EVIL_ATTRIBUTE}\n$a_b^{{c}} </script>\n")
    evil = data / "val" / EVIL.replace("/", "∕") / "a'b\"c.mp4"
    evil.parent.mkdir()
    first = (data / "val.csv").read_text().splitlines()[0].split()[0]
    shutil.copy(data / first, evil)
    run = tmp_path / EVIL.replace("/", "∕")
    shutil.copytree(linear_run, run)
    (run / "classes.txt").write_text((data / "classes.txt").read_text())
    with (run / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "prediction", "confidence"])
        for number in range(9):
            writer.writerow([evil, number % 3, (number + 1) % 3, 0.9])
    with (run / "neighbours.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "rank", "neighbour", "neighbour_label", "similarity"])
        for rank in range(5):
            writer.writerow([evil, 0, rank + 1, evil, rank % 3, 0.9])
    page = write_report(run, tmp_path / "page.html", features=False)
    assert open_page(page, tmp_path).faults == []
    assert "<script>window" not in page.read_text()
    markdown = write_report(run, tmp_path / "page.md", "md", features=False).read_text()
    # Code is shown as it is.
    assert "<script>" not in re.sub(r"```text\n.*?```", "", markdown, flags=re.DOTALL)


@pytest.mark.parametrize(
    "content", [b"\xff\x00junk\n1\n", b"path,label\na.mp4,0\n", b"path,label,prediction,confidence\na,0,"]
)
def test_a_damaged_file_of_single_videos_is_named_and_left_out(linear_run, tmp_path, content, capsys):
    run = tmp_path / "run"
    shutil.copytree(linear_run, run)
    for name in ("predictions.csv", "neighbours.csv"):
        (run / name).write_bytes(content)
    page = write_report(run, tmp_path / "page.html", features=False).read_text()
    shown = capsys.readouterr().err
    for name in ("predictions.csv", "neighbours.csv"):
        assert f"{run / name}, line 2: is damaged, so the page is made without this file" in shown
    # The scores of the same test are left.
    assert "run/test_scores.npz" in page


@pytest.mark.slow
def test_a_page_of_10000_videos_stays_below_10_megabytes(workplace, linear_run, tmp_path):
    """The lists name a few real videos under 10,000 names."""
    data = tmp_path / "data"
    data.mkdir()
    videos = [line.split() for line in (workplace / "data" / "val.csv").read_text().splitlines()]
    rows = []
    (data / "val").mkdir()
    for number in range(10_000):
        name, label = videos[number % len(videos)]
        link = data / "val" / f"{number:05d}.mp4"
        link.symlink_to(workplace / "data" / name)
        rows.append((f"val/{link.name}", int(label)))
    for split in ("train", "val", "test"):
        (data / f"{split}.csv").write_text("".join(f"{path} {label}\n" for path, label in rows))
    run = tmp_path / "run"
    shutil.copytree(linear_run, run)
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("PATH_TO_DATA_DIR: data", f"PATH_TO_DATA_DIR: {data}"))
    rng = np.random.default_rng(0)
    with (run / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "prediction", "confidence"])
        writer.writerows((data / path, label, rng.integers(3), rng.random()) for path, label in rows)
    page = write_report(run, tmp_path / "page.html")
    assert page.stat().st_size < 10_000_000
    text = page.read_text()
    assert text.count("data:image/jpeg") <= 1000 + 150
    assert "500 of the 10,000 videos of val.csv" in text
    assert "10,000 videos, from run/predictions.csv" in text
