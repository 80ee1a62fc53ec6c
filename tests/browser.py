"""Chromium, which opens a page as a reader would, without a window and without a network."""

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
# Runs before the page's own scripts, and leaves behind as text what is seen after them.
_MEASURE = """<script>
window.__errors = [];
window.addEventListener("error", (event) => { if (event.message) window.__errors.push(event.message); });
window.addEventListener("load", () => {
  const paper = () => getComputedStyle(document.body).backgroundColor;
  const box = (node) => node.getBoundingClientRect();
  const height = (node) => node.checkVisibility() ? box(node).height : 0;
  const found = {
    heights: [...document.querySelectorAll("section")].map((each) => [each.id, height(each)]),
    empty: [...document.querySelectorAll("section")]
      .flatMap((each) => [...each.querySelectorAll(":scope > *, :scope svg")].map((part) => [each.id, part]))
      .filter(([, part]) => !height(part) || !box(part).width).map(([name, part]) => `${name}: ${part.tagName}`)
      .concat([...document.querySelectorAll("section")].filter((each) => each.children.length === 1)
        .map((each) => `${each.id}: only a heading`)),
    broken_images: [...document.querySelectorAll("img[src]")]
      .filter((each) => !each.complete || !each.naturalWidth).map((each) => each.getAttribute("src").slice(0, 80)),
    overflow: document.documentElement.scrollWidth - innerWidth,
    paper: paper(),
  };
  const button = document.getElementById("theme");
  if (button) button.click();
  found.switched_paper = paper();
  const mark = document.querySelector(".map #map-0 use"), hover = document.getElementById("hover");
  if (mark) mark.dispatchEvent(new MouseEvent("mouseenter"));
  found.hover = hover && !hover.hidden ? `${hover.querySelector("img").src} ${hover.textContent}` : "";
  const note = document.createElement("pre");
  note.id = "measured";
  note.textContent = JSON.stringify({...found, errors: window.__errors});
  document.body.append(note);
});</script>"""


@dataclass(frozen=True)
class OpenedPage:
    """What Chromium made of a page.

    Attributes:
        dom: the document after its scripts ran, as HTML.
        errors: messages of uncaught errors, and lines of the console.
        broken_images: the src of each picture that could not be shown.
        heights: pixels of each section by its id, in their order; 0 for a hidden one.
        empty: parts of sections and figures that take no room.
        overflow: pixels that the page is wider than the window.
        paper: the colour behind the page, and after a click on the switch of the theme, where there is one.
        hover: what is shown when the mouse rests on the first point of a map: its picture and words.
    """

    dom: str
    errors: list[str]
    broken_images: list[str]
    heights: dict[str, float]
    empty: list[str]
    overflow: int
    paper: str
    switched_paper: str
    hover: str

    @property
    def faults(self) -> list[str]:
        """All that a reader would take for broken."""
        hidden = [f"{name} is hidden" for name, height in self.heights.items() if not height]
        wide = [f"{self.overflow} pixels wider than the window"] if self.overflow > 0 else []
        return [*self.errors, *self.broken_images, *hidden, *self.empty, *wide]


def open_page(page: Path, scratch: Path, *, dark: bool = False, width: int = 1366, printed: bool = False) -> OpenedPage:
    """Open ``page``; skip the test where there is no Chromium, fail there if RHOVIDEO_REQUIRE_CHROMIUM is 1.

    Args:
        page: the file.
        scratch: a folder for files.
        dark: the system's theme.
        width: of the window, in pixels.
        printed: with the page's rules for paper in place of those for screens.
    """
    text = page.read_text(encoding="utf-8")
    if printed:
        text = re.sub("@media screen[^{]*", "@media not all ", text).replace("@media print", "@media all")
    head = '<meta charset="utf-8">'
    text = text.replace(head, head + _MEASURE, 1) if head in text else _MEASURE + text
    copy = scratch / "measured.html"
    copy.write_text(text, encoding="utf-8")
    theme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    ran = _chromium(scratch, theme, f"--window-size={width},900", "--dump-dom", copy.as_uri())
    console = [line for line in ran.stderr.splitlines() if "CONSOLE" in line]
    measured = re.search(r'<pre id="measured">(.*?)</pre>', ran.stdout, re.DOTALL)
    assert measured, f"the page did not load: {ran.stdout[-500:]} {ran.stderr[-2000:]}"
    found = json.loads(html.unescape(measured[1]))
    found["errors"] += console
    return OpenedPage(ran.stdout, **found | {"heights": dict(found["heights"])})


def print_page(page: Path, scratch: Path) -> bytes:
    """Print ``page`` as a browser does, in a dark system; the PDF, whose outline has the page's headings."""
    pdf = scratch / "printed.pdf"
    dark = "--blink-settings=preferredColorScheme=0"
    _chromium(scratch, dark, "--generate-pdf-document-outline", f"--print-to-pdf={pdf}", page.as_uri())
    return pdf.read_bytes()


def _chromium(scratch: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [chromium(), *_FLAGS, f"--user-data-dir={scratch / 'profile'}", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)


def chromium() -> str:
    found = shutil.which("chromium")
    if found:
        return found
    if os.environ.get("RHOVIDEO_REQUIRE_CHROMIUM") == "1":
        pytest.fail("RHOVIDEO_REQUIRE_CHROMIUM is 1, and there is no chromium on the PATH: apt-get install chromium")
    pytest.skip("no chromium on the PATH")
