"""``rhovideo report``: gathers what runs have left, and writes it as a page, as Markdown or as pictures."""

from __future__ import annotations

import re
from pathlib import Path

from rhovideo.atomic_files import write_text, written_whole
from rhovideo.errors import JobError
from rhovideo.report.blocks import Page
from rhovideo.report.drawing import LIGHT, as_png, require_libraries
from rhovideo.report.markup import as_html, as_markdown
from rhovideo.report.nearest_recipe import recipe_or_name
from rhovideo.report.per_video import Predictions, read_predictions
from rhovideo.report.sections.accuracy import classes_section, confusion_section, results_section
from rhovideo.report.sections.answers import answers, choice
from rhovideo.report.sections.cells import comparison_sections
from rhovideo.report.sections.pictures import Pictures
from rhovideo.report.sections.precisions import precisions_of, precisions_section
from rhovideo.report.sections.scored_boxes import boxes_section
from rhovideo.report.sections.signal_curves import curves_section
from rhovideo.report.sections.what_was_run import (
    again_section,
    cost_text,
    run_section,
    warnings_section,
)
from rhovideo.report.sections.wording import count, duration, listed, percent
from rhovideo.report.subjects import Subject, deviation, mean_of_chains, read_subject
from rhovideo.terminal import stage

FORMATS = ("html", "md", "png")
_KINDS = {"run": "Run", "eval": "Evaluation", "study": "Study", "folder": "Folder"}
# Recipes that a title names for one task.
_MOST_NAMES = 3


def write_report(path: str | Path, out: str | Path | None = None, form: str = "html", features: bool = True) -> Path:
    """Write the report of a run, a study, an evaluation, or a folder of runs.

    Args:
        path: the folder.
        out: the file to write, or the folder for the pictures of "png"; None: report.html, report.md or
            report_figures in ``path``.
        form: one of FORMATS. "md" puts its figures into a folder next to the file.
        features: compute features of some videos with the last checkpoint, where the runs have left none.

    Returns:
        What was written: the file, or the folder of the pictures.

    Raises:
        JobError: ``path`` holds no run, a library is missing, or the file cannot be written.
    """
    require_libraries()
    subject = read_subject(path)
    page = make_page(subject, features)
    stage("report: drawing the figures")
    name = "report_figures" if form == "png" else f"report.{form}"
    target = Path(out) if out else subject.path / name
    try:
        if form == "png":
            _write_pictures(page, target)
        elif form == "md":
            folder = target.with_name(f"{target.stem}_figures")
            files = _write_pictures(page, folder)
            write_text(target, as_markdown(page, {name: f"{folder.name}/{file.name}" for name, file in files.items()}))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_text(target, as_html(page))
    except OSError as error:
        raise JobError(f"--out {target}: cannot be written ({error.strerror or error})") from error
    return target


def make_page(subject: Subject, features: bool = True) -> Page:
    """Gather a page's parts.

    Args:
        subject: the runs.
        features: as of :func:`write_report`.
    """
    chain = subject.main
    pictures = Pictures(chain, features)
    precisions = precisions_of(chain)
    # Several labels a video are no single class that a video is taken for.
    predictions = None if precisions else _predictions(subject) or pictures.predictions()
    names = next((run.class_names for run in reversed(chain.runs) if run.class_names), [])
    of_classes = (
        [precisions_section(precisions, names)]
        if precisions
        else [
            classes_section(predictions, names),
            confusion_section(predictions, names),
            pictures.mistakes_section(predictions),
        ]
    )
    sections = comparison_sections(subject) if subject.compares else []
    boxes = boxes_section(chain)
    sections += [
        run_section(chain),
        results_section(chain),
        curves_section(chain),
        pictures.clips_section(),
        *([boxes] if boxes else []),
        pictures.neighbours_section(),
        pictures.map_section(),
        *([] if boxes and not predictions else of_classes),
        warnings_section(subject),
        again_section(subject),
    ]
    return Page(
        _title(subject),
        _subtitle(subject),
        answers(subject, predictions, names, precisions),
        sections,
        _facts(subject),
        choice(subject),
    )


def _predictions(subject: Subject) -> Predictions | None:
    found = (read_predictions(run) for run in reversed(subject.main.runs))
    return next((predictions for predictions in found if predictions and predictions.videos), None)


def _title(subject: Subject) -> str:
    """The recipes of the runs in their order, such as "demo/simclr, then demo/linear"; of several chains, which."""
    chains = sorted(subject.chains, key=lambda chain: -len(chain.runs)) if subject.compares else [subject.main]
    steps: dict[str, dict[str, None]] = {}
    for run in (run for chain in chains for run in chain.runs):
        steps.setdefault(run.task or run.name, {})[recipe_or_name(run)] = None
    words = []
    for names in map(list, steps.values()):
        more = len(names) - _MOST_NAMES
        words.append(listed([*names[:_MOST_NAMES], *([f"{more} more"] if more > 0 else [])]))
    title = ", then ".join(words)
    return f"{subject.name}: {title}" if subject.compares else title


def _subtitle(subject: Subject) -> str:
    kind = f"{_KINDS[subject.kind]} {subject.path}"
    if subject.compares:
        runs, chains = count(len(subject.runs), "run"), count(len(subject.chains), "chain")
        several = f"{runs} in {chains}" if len(subject.runs) != len(subject.chains) else runs
        return f"{kind}: {several}; {subject.main.name} is shown in detail"
    tasks = ", then ".join(run.task or "a run that has not begun" for run in subject.main.runs)
    return f"{kind}: {tasks}"


def _facts(subject: Subject) -> list[tuple[str, str]]:
    runs = subject.runs
    seconds = sum(run.seconds or 0.0 for run in runs)
    facts = [
        ("runs", str(len(runs))),
        ("time", duration(seconds) if seconds else "not known"),
        ("cost", cost_text(runs)),
    ]
    return _headline(subject) + facts


def _headline(subject: Subject) -> list[tuple[str, str]]:
    """The main number: of several seeds their mean, and the best one below that name."""
    chains, main = subject.best_group, subject.main
    spread = deviation(chains)
    if main.score is None:
        return []
    if spread is not None:
        mean = f"{mean_of_chains(chains):.1f} ± {spread:.1f} %"
        return [
            (f"{main.score_name}, mean ± standard deviation of n = {len(chains)} seeds", mean),
            (f"the best of them, seed {main.seed}", percent(main.score)),
        ]
    several = f", best of {len(subject.scored)}" if len(subject.scored) > 1 else ""
    return [(f"{main.score_name}{several}", percent(main.score))]


def _write_pictures(page: Page, folder: Path) -> dict[str, Path]:
    """Write each figure as a PNG; the files by the figures' names."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    for plot in page.plots:
        base = re.sub(r"[^A-Za-z0-9.,=+-]+", "_", plot.name).strip("_")
        path = folder / f"{base}.png"
        if path in files.values():
            path = folder / f"{base}_{len(files)}.png"
        with written_whole(path) as file:
            file.write(as_png(plot.draw(LIGHT)))
        files[plot.name] = path
    return files
