"""Pictures of the videos: augmented clips, nearest neighbours, the embedding map, mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from rhovideo.config.findings import ConfigError
from rhovideo.config.task_defaults import DETECTS
from rhovideo.errors import JobError
from rhovideo.report.blocks import Gallery, Picture, Plot, Plots, Section, Text
from rhovideo.report.drawing import Palette, heading, legend, new_figure
from rhovideo.report.per_video import Prediction, Predictions, Query, class_scores, read_neighbours
from rhovideo.report.run_record import RunRecord, cfg_value
from rhovideo.report.sections.wording import NO_PREDICTIONS, class_name, count, percent
from rhovideo.report.subjects import Chain
from rhovideo.report.thumbnails import Opener, Thumbnails, data_uri
from rhovideo.terminal import stage

if TYPE_CHECKING:
    import matplotlib.figure

    from rhovideo.data.loading.datasets import ClipDataset
    from rhovideo.report.measured_features import MeasuredFeatures

_CLIPS = 6
_CLIP_SIDE = 160
_QUERIES = 8
_NEIGHBOURS = 5
_MISTAKES = 12
# Thumbnails that are kept for the other sections.
_KEPT = 100
_SEED = 0
_UMAP_LEAST = 20
_MOST_NAMED = 16
_OFF = "It was switched off with --no-features. Start rhovideo report without that option."


class Pictures:
    """The sections with pictures, of one chain.

    Args:
        chain: whose videos are shown.
        features: compute features where the runs have left none.
    """

    def __init__(self, chain: Chain, features: bool) -> None:
        self._chain = chain
        self._features = features
        self._why = _OFF
        self._thumbnails = Thumbnails()
        self._names: Sequence[str] = next((run.class_names for run in reversed(chain.runs) if run.class_names), [])

    @cached_property
    def measured(self) -> MeasuredFeatures | None:
        """Features, computed once; None where they cannot be."""
        if not self._features:
            return None
        from rhovideo.report.measured_features import has_weights, measure_features

        whole = (run for run in reversed(self._chain.runs) if run.task not in DETECTS)
        run = next((run for run in whole if has_weights(run)), None)
        if run is None and self._chain.runs[-1].task in DETECTS:
            self._why = "A detector scores boxes, and has no feature of a whole clip."
            return None
        if run is None:
            self._why = "There is no checkpoint to compute features with: keep the run's folder checkpoints."
            return None
        try:
            found = measure_features(run)
        except (JobError, ConfigError, OSError) as error:
            self._why = f"Features cannot be computed: {error}"
            return None
        if len(found.queries.rows) < 2 or len(found.gallery.rows) < 2:
            self._why = "Features need two readable videos at least: check the paths in the lists."
            return None
        for part, dataset in ((found.queries, found.dataset), (found.gallery, found.gallery_dataset)):
            self._thumbnails.openers |= {
                path: _opener(dataset, row) for path, row in zip(part.paths, part.rows, strict=True)
            }
        return found

    def predictions(self) -> Predictions | None:
        """Those of nearest neighbours, where the runs have left none."""
        run = self._chain.runs[-1]
        temperature = float(cfg_value(run.cfg, "KNN.T") or cfg_value(run.cfg, "CONTRASTIVE.T") or 0.1)
        return self.measured.predictions(temperature) if self.measured else None

    def clips_section(self) -> Section:
        """Augmented clips of the run's own videos, animated."""
        section = Section("clips", "What it saw: augmented clips")
        run = self._chain.pretraining or self._chain.runs[0]
        try:
            rows = [_clips(run, self._names)]
        except (JobError, ConfigError, OSError) as error:
            text = f"The clips cannot be shown: {error}"
            section.blocks.append(Text(text, "missing"))
            return section
        if not rows[0]:
            text = "No video of the list could be read: check its paths, with rhovideo scan and the list."
            section.blocks.append(Text(text, "missing"))
            return section
        rho = cfg_value(run.cfg, "DATA.TRAIN_CROP_NUM_TEMPORAL")
        positives = f"rho = {rho}: the clips next to each other are of one video, and positives of each other."
        what = positives if run.task == "pretrain" else "One clip of each video."
        drawn = "The videos are drawn with the run's seed, from different classes where the list has labels."
        caption = f"{what} As {run.name} saw them in its first epoch, at the speed of the video. {drawn}"
        section.blocks.append(Gallery(rows, "clips", caption))
        return section

    def neighbours_section(self) -> Section:
        """Queries drawn at random, and their most similar videos."""
        section = Section("neighbours", "Nearest neighbours")
        queries, source = self._queries()
        if not queries:
            section.blocks.append(Text(self._why, "missing"))
            return section
        labelled = [query for query in queries if query.label >= 0 and query.neighbours]
        if labelled:
            right = sum(query.neighbours[0].label == query.label for query in labelled)
            text = (
                f"The nearest video is of the same class for {right:,} of {len(labelled):,} queries "
                f"({percent(100 * right / len(labelled))})."
            )
            section.blocks.append(Text(text))
        places = np.sort(np.random.default_rng(_SEED).permutation(len(queries))[:_QUERIES])
        rows = [self._neighbours(queries[place]) for place in places]
        caption = (
            f"{count(len(rows), 'query')} drawn at random (seed {_SEED}), left, and the nearest videos, the most "
            f"similar first; numbers are cosines. {source}"
        )
        section.blocks.append(Gallery(rows, "neighbours", caption))
        return section

    def _queries(self) -> tuple[list[Query], str]:
        for run in reversed(self._chain.runs):
            if queries := read_neighbours(run):
                return queries, f"From {run.name}/neighbours.csv."
        if not self.measured:
            return [], ""
        source = f"Features computed for this page with {self.measured.checkpoint}, of {self.measured.sampled}."
        return self.measured.nearest(_NEIGHBOURS), source

    def _neighbours(self, query: Query) -> list[Picture]:
        row = [Picture(self._thumbnails.of(query.path), self._name(query.label), "", query.path)]
        for near in query.neighbours[:_NEIGHBOURS]:
            known = query.label >= 0 and near.label >= 0
            mark = ("right" if near.label == query.label else "wrong") if known else ""
            text = f"{self._name(near.label)}, {near.similarity:.2f}"
            row.append(Picture(self._thumbnails.of(near.path), text, mark, near.path))
        return row

    def _name(self, label: int) -> str:
        return class_name(self._names, label)

    def map_section(self) -> Section:
        """The features in two dimensions, coloured by class."""
        section = Section("map", "Embedding map")
        measured = self.measured
        if not measured:
            section.blocks.append(Text(self._why, "missing"))
            return section
        values = np.concatenate([part.values for part in measured.parts])
        labels = np.concatenate([part.labels for part in measured.parts])
        paths = [path for part in measured.parts for path in part.paths]
        chosen = np.sort(np.random.default_rng(_SEED).permutation(len(paths))[: max(self._thumbnails.left - _KEPT, 0)])
        self._thumbnails.fill(paths[place] for place in chosen)
        groups, named = _groups(labels[chosen], self._names)
        points = [
            [(_hover(self._name(int(labels[place])), paths[place]), self._thumbnails.of(paths[place]))
             for place in chosen[members]]
            for members in groups
        ]  # fmt: skip
        plots = []
        for title, places in _projections(values):
            draw = partial(_draw_map, title, places[chosen], groups, named)
            plots.append(
                Plot(f"map-{title.split()[0].lower()}", draw, f"{title}: features coloured by class", points=points)
            )
        shown = f"{len(chosen):,} points are shown, drawn at random. " if len(chosen) < len(paths) else ""
        source = f"Features of {measured.sampled}, with {measured.checkpoint}."
        text = f"Each point is a video; rest on it to see it. {shown}{source}"
        missing_umap = "" if len(plots) > 1 else " UMAP is drawn too where umap-learn is installed."
        section.blocks += [Text(text + missing_umap, "note"), Plots([_widened(plot, len(plots)) for plot in plots])]
        return section

    def mistakes_section(self, predictions: Predictions | None) -> Section:
        """The most confident mistakes, and those of the classes with the lowest accuracy."""
        section = Section("mistakes", "Mistakes")
        if not predictions or not predictions.videos:
            section.blocks.append(Text(NO_PREDICTIONS, "missing"))
            return section
        wrong = sorted((video for video in predictions.videos if not video.right), key=lambda video: -video.confidence)
        total = (
            f"{count(len(wrong), 'mistake')} in {count(len(predictions.videos), 'video')}, from {predictions.source}."
        )
        section.blocks.append(Text(total))
        if not wrong:
            return section
        section.blocks.append(Text("The most confident mistakes", "subtitle"))
        caption = "The predicted class with its share of the scores, and the true class."
        section.blocks.append(Gallery([[self._mistake(video) for video in wrong[:_MISTAKES]]], "grid", caption))
        worst = _of_worst_classes(predictions.videos, wrong, {id(video) for video in wrong[:_MISTAKES]})
        if worst:
            section.blocks.append(Text("Mistakes of the classes with the lowest accuracy", "subtitle"))
            caption = "The classes with the lowest accuracy first; without those above."
            section.blocks.append(Gallery([[self._mistake(video) for video in worst[:_MISTAKES]]], "grid", caption))
        return section

    def _mistake(self, video: Prediction) -> Picture:
        share = f"{100 * video.confidence:.0f} %"
        text = f"predicted {self._name(video.prediction)} ({share}), true: {self._name(video.label)}"
        return Picture(self._thumbnails.of(video.path), text, "wrong", video.path)


def _opener(dataset: ClipDataset, row: int) -> Opener:
    return lambda: dataset.manifest.open_video(row, dataset.image_fps, dataset.backend)


def _clips(run: RunRecord, names: Sequence[str]) -> list[Picture]:
    from rhovideo.data.loading.shown_clips import shown_clips
    from rhovideo.pictures.clip_animation import animated_clips
    from rhovideo.report.measured_features import as_cfg

    shown = shown_clips(as_cfg(run), _CLIPS)
    pictures = []
    for video in shown.videos:
        source = data_uri(animated_clips(video.clips, video.rate, max_side=_CLIP_SIDE), "image/webp")
        seconds = ", ".join(f"{first:.1f}–{last:.1f} s" for first, last in video.seconds)
        label = f"{class_name(names, video.label)}: " if video.label >= 0 else ""
        pictures.append(Picture(source, f"{label}{seconds}", "", video.path))
    return pictures


def _hover(name: str, path: str) -> str:
    return f"{name} · {'/'.join(path.split('/')[-2:])}"


def _groups(labels: np.ndarray, names: Sequence[str]) -> tuple[list[np.ndarray], list[str]]:
    """The places of each class, and its name; classes beyond the most frequent ones together."""
    found, counts = np.unique(labels, return_counts=True)
    if len(found) <= _MOST_NAMED:
        shown, others = found, np.array([], labels.dtype)
    else:
        order = np.argsort(-counts, kind="stable")
        shown, others = np.sort(found[order[: _MOST_NAMED - 1]]), found[order[_MOST_NAMED - 1 :]]
    groups = [np.flatnonzero(labels == label) for label in shown]
    named = [class_name(names, int(label)) for label in shown]
    if len(others):
        groups.append(np.flatnonzero(np.isin(labels, others)))
        named.append(f"{count(len(others), 'other class')}")
    return groups, named


def _projections(values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The features in two dimensions: PCA, and UMAP where it is installed; each float64 [N, 2]."""
    centred = values.astype(np.float64) - values.mean(0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    if len(directions) < 2:
        directions = np.vstack([directions, np.zeros_like(directions)])
        sizes = np.append(sizes, 0.0)
    share = 100 * (sizes[:2] ** 2).sum() / max((sizes**2).sum(), 1e-12)
    found = [(f"PCA ({share:.0f} % of the variance)", centred @ directions[:2].T)]
    if len(values) >= _UMAP_LEAST:
        try:
            from umap import UMAP
        except ImportError:
            return found
        stage("report: UMAP")
        # With a seed UMAP uses one thread, and warns of it unless one is asked for.
        found.append(("UMAP (cosine)", UMAP(metric="cosine", random_state=_SEED, n_jobs=1).fit_transform(values)))
    return found


def _draw_map(
    title: str, places: np.ndarray, groups: Sequence[np.ndarray], named: Sequence[str], palette: Palette
) -> matplotlib.figure.Figure:
    figure, axes = new_figure(9.6, 5.6, palette)
    for number, (members, name) in enumerate(zip(groups, named, strict=True)):
        text = name.replace("$", r"\$") if len(name) < 30 else f"{name[:29]}…".replace("$", r"\$")
        marks = axes.scatter(
            places[members, 0], places[members, 1], s=24, color=palette.colour(number), marker=palette.marker(number),
            alpha=0.75, linewidths=0, label=text,
        )  # fmt: skip
        marks.set_gid(f"map-{number}")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    heading(axes, title, palette)
    legend(axes, palette, loc="upper left", bbox_to_anchor=(1.0, 1.0), scatterpoints=1)
    return figure


def _widened(plot: Plot, plots: int) -> Plot:
    return Plot(plot.name, plot.draw, plot.alt, plot.caption, plots < 3, plot.points)


def _of_worst_classes(videos: Sequence[Prediction], wrong: Sequence[Prediction], shown: set[int]) -> list[Prediction]:
    place = {score.label: score.accuracy for score in class_scores(videos)}
    return sorted((video for video in wrong if id(video) not in shown), key=lambda video: place[video.label])
