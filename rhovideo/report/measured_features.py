"""Features of some videos of a run's lists, computed with its last checkpoint, for neighbours and the embedding map."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from fvcore.common.config import CfgNode

from rhovideo.config.files.reading import load_cfg
from rhovideo.data.loading.datasets import ClipDataset, SampleKey, build_dataset
from rhovideo.engine.device_inputs import DTYPES, autocast, job_device, to_network_input
from rhovideo.report.per_video import Neighbour, Prediction, Predictions, Query
from rhovideo.report.run_record import RunRecord, cfg_value
from rhovideo.runs.folder import CONFIG_FILE
from rhovideo.terminal import print_line, stage
from rhovideo.zoo.pretrained import load_pretrained

MOST_VIDEOS = 1000
SEED = 0
_MOST_VOTES = 20
_BATCH = 16
_REPORTED_SECONDS = 5.0


@dataclass(frozen=True)
class FeaturesOfList:
    """Features of videos that could be read.

    Attributes:
        split: of the list: train, val or test.
        listed: videos in the list.
        paths: of the videos.
        rows: their places in the list.
        labels: int64 [N], -1 without.
        values: float32 [N, C] of unit length.
    """

    split: str
    listed: int
    paths: list[str]
    rows: list[int]
    labels: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class MeasuredFeatures:
    """Features of queries, and of the videos that they are compared with.

    Attributes:
        queries: of the validation list, or of another one.
        gallery: of the training list; the queries themselves where it is the same list.
        checkpoint: the words for the weights.
        dataset: the queries' data set, which can open its videos.
        gallery_dataset: the gallery's.
    """

    queries: FeaturesOfList
    gallery: FeaturesOfList
    checkpoint: str
    dataset: ClipDataset
    gallery_dataset: ClipDataset

    @property
    def sampled(self) -> str:
        """A clause on how many videos these are."""
        parts = [f"{len(part.rows):,} of the {part.listed:,} videos of {part.split}.csv" for part in self.parts]
        return " and ".join(parts) + (f", drawn with seed {SEED}" if self.is_sample else "")

    @property
    def is_sample(self) -> bool:
        """True if there are more videos than were measured."""
        return any(len(part.rows) < part.listed for part in self.parts)

    @property
    def parts(self) -> list[FeaturesOfList]:
        """The lists, each once."""
        return [self.queries] if self.gallery is self.queries else [self.queries, self.gallery]

    def nearest(self, count: int) -> list[Query]:
        """The most similar videos of the gallery for each query."""
        similarity = self._similarity()
        found = []
        for row, values in enumerate(similarity):
            order = np.argsort(-values, kind="stable")[:count]
            near = [
                Neighbour(self.gallery.paths[place], int(self.gallery.labels[place]), float(values[place]))
                for place in order
                if np.isfinite(values[place])
            ]
            found.append(Query(self.queries.paths[row], int(self.queries.labels[row]), near))
        return found

    def predictions(self, temperature: float) -> Predictions | None:
        """The class that the nearest videos vote for; None without labels.

        Args:
            temperature: of the votes.
        """
        labelled = self.gallery.labels >= 0
        if not labelled.any() or not (self.queries.labels >= 0).any():
            return None
        votes_of = min(_MOST_VOTES, int(labelled.sum()))
        similarity = np.where(labelled, self._similarity(), -np.inf)
        classes = int(self.gallery.labels.max()) + 1
        videos = []
        for row, values in enumerate(similarity):
            if self.queries.labels[row] < 0:
                continue
            order = np.argsort(-values, kind="stable")[:votes_of]
            order = order[np.isfinite(values[order])]
            weights = np.exp((values[order] - values[order[0]]) / temperature)
            votes = np.bincount(self.gallery.labels[order], weights, classes)
            best = int(votes.argmax())
            label = int(self.queries.labels[row])
            videos.append(Prediction(self.queries.paths[row], label, best, float(votes[best] / votes.sum())))
        words = f"the votes of the {votes_of} nearest neighbours, computed for this page with {self.checkpoint}"
        return Predictions(videos, words, recorded=False)

    def _similarity(self) -> np.ndarray:
        """Cosines [Q, G]; a video is no neighbour of itself."""
        similarity: np.ndarray = self.queries.values @ self.gallery.values.T
        places = {path: place for place, path in enumerate(self.gallery.paths)}
        for row, path in enumerate(self.queries.paths):
            if path in places:
                similarity[row, places[path]] = -np.inf
        return similarity


def measure_features(run: RunRecord) -> MeasuredFeatures:
    """Compute features with the weights that a run ended with, or measured.

    Args:
        run: with a checkpoint, or with the path of one in its configuration.

    Raises:
        JobError: a list cannot be used, or the checkpoint cannot be read.
        OSError: there is no list, or no checkpoint.
    """
    cfg = as_cfg(run)
    source = run.checkpoint or run.located(_named_checkpoint(run))
    print_line(f"features: reading {source}")
    stage("report: computing features")
    encoder = load_pretrained(source, cfg, encoder=cfg.TRAIN.CHECKPOINT_ENCODER if not run.checkpoint else "online")
    device = job_device(cfg)
    encoder.to(device, DTYPES[cfg.TRAIN.DTYPE])
    split = next((name for name in ("val", "test") if (run.data_folder / f"{name}.csv").exists()), "train")
    rng = np.random.default_rng(SEED)
    dataset = build_dataset(cfg, split, "eval")
    most = MOST_VIDEOS if split == "train" else MOST_VIDEOS // 2
    queries = _measure(encoder, cfg, dataset, split, most, rng)
    where = f"{run.name}/{source.name}" if run.checkpoint else source.name
    if split == "train" or not (run.data_folder / "train.csv").exists():
        return MeasuredFeatures(queries, queries, where, dataset, dataset)
    gallery_dataset = build_dataset(cfg, "train", "eval")
    gallery = _measure(encoder, cfg, gallery_dataset, "train", MOST_VIDEOS - len(queries.rows), rng)
    return MeasuredFeatures(queries, gallery, where, dataset, gallery_dataset)


def _named_checkpoint(run: RunRecord) -> str:
    named = (
        run.outcome.get("file"),
        *(cfg_value(run.cfg, f"{part}.CHECKPOINT_FILE_PATH") for part in ("TEST", "TRAIN")),
    )
    return str(next((name for name in named if name), ""))


def has_weights(run: RunRecord) -> bool:
    """True if there is a checkpoint to compute features with."""
    named = _named_checkpoint(run)
    return run.checkpoint is not None or (bool(named) and run.located(named).is_file())


def as_cfg(run: RunRecord) -> CfgNode:
    """The run's configuration, with the data folder as it is found from here, and for the machine there is here."""
    overrides = ["DATA.PATH_TO_DATA_DIR", str(run.data_folder), "DATA.AUG_DEVICE", "cpu"]
    prefix = str(cfg_value(run.cfg, "DATA.PATH_PREFIX") or "")
    overrides += ["DATA.PATH_PREFIX", str(run.located(prefix))] if prefix else []
    for key in ("AVA.FRAME_DIR", "AVA.FRAME_LIST_DIR", "AVA.ANNOTATION_DIR", "AVA.VIDEO_DIR"):
        folder = str(cfg_value(run.cfg, key) or "")
        overrides += [key, str(run.located(folder))] if folder else []
    return load_cfg(run.folder / CONFIG_FILE, overrides)


@torch.no_grad()
def _measure(
    encoder: torch.nn.Module, cfg: CfgNode, dataset: ClipDataset, split: str, most: int, rng: np.random.Generator
) -> FeaturesOfList:
    rows = np.sort(rng.permutation(len(dataset))[:most])
    device = job_device(cfg)
    values, kept, labels = [], [], []
    for indices, clips, found in _batches(dataset, rows, split):
        with autocast(cfg, device):
            features = encoder(to_network_input(clips, cfg, device)).float()
        values.append(torch.nn.functional.normalize(features, dim=1).cpu().numpy())
        kept += indices
        labels += found
    size = values[0].shape[1] if values else 1
    paths = [dataset.manifest.path(row) for row in kept]
    together = np.concatenate(values) if values else np.zeros((0, size), np.float32)
    return FeaturesOfList(split, len(dataset), paths, kept, np.array(labels, np.int64), together)


def _batches(dataset: ClipDataset, rows: np.ndarray, split: str) -> Iterator[tuple[list[int], torch.Tensor, list[int]]]:
    """Batches of the videos that can be read: their rows, uint8 [B,T,S,S,3], and labels."""
    reported = time.monotonic()
    # A list of which a part has no labels is shown as a whole.
    dataset.needs_labels = False
    dataset.replace_unreadable = False
    batch: list[tuple[int, torch.Tensor, int]] = []
    for number, row in enumerate(rows.tolist()):
        if time.monotonic() - reported > _REPORTED_SECONDS:
            print_line(f"features of {split}.csv: {number} of {len(rows)} videos")
            reported = time.monotonic()
        sample = dataset.read(SampleKey(0, row))
        if sample.valid:
            batch.append((row, sample.clips[0], sample.label))
        if len(batch) == _BATCH:
            yield [one[0] for one in batch], torch.stack([one[1] for one in batch]), [one[2] for one in batch]
            batch = []
    if batch:
        yield [one[0] for one in batch], torch.stack([one[1] for one in batch]), [one[2] for one in batch]
