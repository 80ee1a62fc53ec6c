"""Chromium, which opens a page as a reader would."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

# Nothing is asked of a network: no updates, no first-run page, no QUIC.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=5000",
)
# Runs after the page's own scripts, and leaves heights and broken pictures behind as text.
_MEASURE = """<script>addEventListener("load", () => {
  const heights = [...document.querySelectorAll("section")].map(
    (each) => [each.id, each.checkVisibility() ? each.getBoundingClientRect().height : 0]);
  const note = document.createElement("pre");
  note.id = "measured";
  const broken = [...document.querySelectorAll("img[src]")]
    .filter((each) => !each.naturalWidth).map((each) => each.getAttribute("src"));
  note.textContent = JSON.stringify({heights, broken});
  document.body.append(note);
});</script>"""


@dataclass(frozen=True)
class OpenedPage:
    """What Chromium made of a page.

    Attributes:
        dom: the document after its scripts ran, as HTML.
        errors: lines of the console that name an uncaught error or something that was refused.
    broken_images: the src of each picture that could not be shown.
        heights: pixels of each section by its id, in their order; 0 for a hidden one.
    """

    dom: str
    errors: list[str]
    broken_images: list[str]
    heights: dict[str, float]


def open_page(page: Path, scratch: Path) -> OpenedPage:
    """Open ``page``; skip the test where there is no Chromium, fail there if RHOVIDEO_REQUIRE_CHROMIUM is 1."""
    copy = scratch / "measured.html"
    copy.write_text(page.read_text(encoding="utf-8") + _MEASURE, encoding="utf-8")
    command = [chromium(), *_FLAGS, f"--user-data-dir={scratch / 'profile'}", "--dump-dom", copy.as_uri()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    errors = [
        line for line in ran.stderr.splitlines() if "CONSOLE" in line and re.search("Uncaught|Refused|Fail", line)
    ]
    measured = re.search(r'<pre id="measured">(.*?)</pre>', ran.stdout, re.DOTALL)
    assert measured, f"the page did not load: {ran.stdout[-500:]}"
    found = json.loads(html.unescape(measured[1]))
    return OpenedPage(ran.stdout, errors, found["broken"], dict(found["heights"]))


def chromium() -> str:
    found = shutil.which("chromium")
    if found:
        return found
    if os.environ.get("RHOVIDEO_REQUIRE_CHROMIUM") == "1":
        pytest.fail("RHOVIDEO_REQUIRE_CHROMIUM is 1, and there is no chromium on the PATH: apt-get install chromium")
    pytest.skip("no chromium on the PATH")
