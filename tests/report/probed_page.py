"""A page in Debian's Chromium, without a window and without a network."""

from __future__ import annotations

import re
import subprocess
import tempfile
from html import unescape
from pathlib import Path

from tests.browser import chromium

_PROBE = """<script>
window.__errors = [];
window.addEventListener("error", (event) => window.__errors.push(event.message));
window.addEventListener("load", () => {
  const out = [], box = (node) => node.getBoundingClientRect();
  const seen = (node) => box(node).width > 0 && box(node).height > 0;
  for (const section of document.querySelectorAll("main > section")) {
    const parts = [...section.querySelectorAll(":scope > *")];
    out.push(`SECTION ${section.id} ${seen(section) && parts.length > 1 && parts.every(seen) ? "visible" : "HIDDEN"}`);
  }
  for (const image of document.querySelectorAll("main img")) {
    if (!image.complete || !image.naturalWidth) out.push(`BROKEN IMAGE ${image.src.slice(0, 80)}`);
  }
  for (const svg of document.querySelectorAll("main svg")) if (!seen(svg)) out.push("EMPTY SVG");
  out.push(`WIDTH ${document.documentElement.scrollWidth} OF ${innerWidth}`);
  out.push(`PAPER ${getComputedStyle(document.body).backgroundColor}`);
  document.getElementById("theme").click();
  out.push(`SWITCHED ${getComputedStyle(document.body).backgroundColor}`);
  const mark = document.querySelector(".map #map-0 use");
  if (mark) {
    mark.dispatchEvent(new MouseEvent("mouseenter"));
    const hover = document.getElementById("hover");
    out.push(`HOVER ${hover.hidden} ${hover.querySelector("img").src.slice(0, 22)} ${hover.textContent}`);
  }
  const node = document.createElement("pre");
  node.id = "probe";
  node.textContent = [...out, ...window.__errors.map((text) => `ERROR ${text}`)].join("\\n");
  document.body.append(node);
});
</script>"""


def look_at(page: Path, dark: bool = False, width: int = 1366) -> list[str]:
    """Open a page with a probe in it: a line for each section, picture and error that it has seen."""
    with tempfile.TemporaryDirectory() as folder:
        probed = Path(folder) / "page.html"
        text = page.read_text(encoding="utf-8")
        probed.write_text(
            text.replace('<meta charset="utf-8">', '<meta charset="utf-8">' + _PROBE, 1), encoding="utf-8"
        )
        command = [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += [f"--user-data-dir={folder}/profile", f"--window-size={width},900", "--virtual-time-budget=5000"]
        command += [
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--enable-logging=stderr",
            "--dump-dom",
        ]
        done = subprocess.run([*command, f"file://{probed}"], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, f"the page ran no script:\n{done.stderr[-2000:]}"
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return [*unescape(found[1]).splitlines(), *console]


def assert_sound(lines: list[str]) -> None:
    """No script error, no broken or hidden part, nothing wider than the window."""
    assert any(line.startswith("SECTION ") for line in lines)
    wrong = [
        line for line in lines if "HIDDEN" in line or line.startswith(("BROKEN", "EMPTY", "ERROR")) or "CONSOLE" in line
    ]
    assert not wrong, wrong
    width = next(line.split() for line in lines if line.startswith("WIDTH"))
    assert int(width[1]) <= int(width[3]), lines


def sections(lines: list[str]) -> list[str]:
    return [line.split()[1] for line in lines if line.startswith("SECTION")]
