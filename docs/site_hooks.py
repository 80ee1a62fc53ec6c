"""Functions that mkdocs calls while it builds the site.

Files in the repository's root become pages, and the references in docstrings (``:class:`rhovideo.models.Encoder```)
become links to where the site documents them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]

# A file of the repository, and the page that shows it.
PAGES = {
    "INSTALL.md": "installation.md",
    "MODEL_ZOO.md": "released_checkpoints.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/RESULTS.md": "benchmark_results.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; mkdocs calls this once the files of ``docs/`` are known."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=with_site_links(text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let the links of ``docs/`` to files of the repository lead to their pages; elsewhere they lead to the files."""
    return re.sub(r"\]\(\.\./([^)#\s]+)", lambda link: f"]({PAGES.get(link[1], f'../{link[1]}')}", markdown)


def with_site_links(text: str) -> str:
    """The text with its links to files of the repository pointing to their pages."""
    return re.sub(r"\]\(([^)#\s]+)", lambda link: f"]({_page(link[1])}", text)


def _page(target: str) -> str:
    return PAGES.get(target, target.removeprefix("docs/"))


def on_page_content(html: str, **_: Any) -> str:
    """Turn docstrings' references into links, or into code where the site does not document the name."""
    return re.sub(r":\w+:<code>~?([\w.]+)</code>", r'<autoref identifier="\1" optional><code>\1</code></autoref>', html)
