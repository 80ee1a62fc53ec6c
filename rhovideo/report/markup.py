"""A page as HTML in one file, and as Markdown with pictures next to it."""

from __future__ import annotations

from importlib import resources

from rhovideo import __version__
from rhovideo.report.blocks import Gallery, Listing, Page, Plot, Plots, Rows, Text
from rhovideo.report.drawing import THEMED, as_svg


def as_html(page: Page) -> str:
    """The page; nothing in it comes from elsewhere."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("rhovideo.report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    parts = resources.files("rhovideo.report") / "templates"

    def svg(plot: Plot) -> Markup:
        # matplotlib escapes the texts inside.
        return Markup(as_svg(plot.draw(THEMED), plot.name))

    text: str = environment.get_template("page.html.j2").render(
        page=page,
        version=__version__,
        css=Markup((parts / "page.css").read_text(encoding="utf-8")),
        js=Markup((parts / "page.js").read_text(encoding="utf-8")),
        svg=svg,
        kind_of=lambda block: type(block).__name__,
        points={plot.name: plot.points for plot in page.plots if plot.points},
    )
    # File names may hold bytes that are no text.
    return text.encode("utf-8", "replace").decode("utf-8")


def as_markdown(page: Page, pictures: dict[str, str]) -> str:
    """The page without its photographs.

    Args:
        page: the page.
        pictures: the path of each figure's picture, by its name.
    """
    lines = [f"# {_plain(page.title)}", "", _plain(page.subtitle), ""]
    lines += [f"- {name}: {_plain(value)}" for name, value in page.facts]
    lines += ["", _plain(page.remark)] if page.remark else []
    lines += ["", "## In short", ""]
    for answer in page.answers:
        lines += [f"**{answer.question}** {_plain(answer.verdict)}. {_plain(answer.reason)}", ""]
    for section in page.sections:
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            lines += [*_in_markdown(block, pictures), ""]
    return "\n".join(lines).rstrip().encode("utf-8", "replace").decode("utf-8") + "\n"


def _in_markdown(block: object, pictures: dict[str, str]) -> list[str]:
    if isinstance(block, Text):
        return [f"### {_plain(block.text)}" if block.kind == "subtitle" else _plain(block.text)]
    if isinstance(block, Listing):
        return ["```text", *block.lines, "```"]
    if isinstance(block, Rows):
        rule = ["---:" if place in block.numbers else "---" for place in range(len(block.columns))]
        rows = [f"| {' | '.join(map(_in_cell, row))} |" for row in (block.whole_columns, rule, *block.rows)]
        return [*rows, *(["", _plain(block.caption)] if block.caption else [])]
    if isinstance(block, Plots):
        shown = [[f"![{_plain(plot.alt)}]({pictures[plot.name]})", "", plot.caption, ""] for plot in block.plots]
        return [line for lines in shown for line in lines]
    if isinstance(block, Gallery):
        words = [f"- {' | '.join(_plain(f'{_sign(item.mark)}{item.text}') for item in row)}" for row in block.rows]
        return [*words, "", f"{_plain(block.caption)} The pictures are in the HTML page."]
    return []


def _sign(mark: str) -> str:
    return {"right": "✓ ", "wrong": "✗ "}.get(mark, "")


def _plain(text: str) -> str:
    """Text that Markdown does not take for its signs, nor for HTML."""
    text = text.replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    for sign in "*_`[":
        text = text.replace(sign, f"\\{sign}")
    return text


def _in_cell(text: str) -> str:
    return text if text in ("---", "---:") else _plain(text).replace("|", "\\|")
