"""The runs that a page is about: one chain of runs, or the cells of a study. Imports no torch."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rhovideo.config.task_defaults import DETECTS, MEASURES
from rhovideo.launch.sweep import short_keys
from rhovideo.protocols.outcome import FILE_NAME as OUTCOME_FILE
from rhovideo.report.run_record import SCORE_NAMES, RunRecord, cfg_value
from rhovideo.runs.lineage import lineage, read_config
from rhovideo.runs.records import is_run, read_study, run_folders

SEED = "RNG_SEED"
# Shorter names of keys that are often swept; an empty one: the value speaks for itself.
_LABELS = {"DATA.TRAIN_CROP_NUM_TEMPORAL": "rho", "CONTRASTIVE.TYPE": "method", "encoder": "encoder"}
_LONGEST = 10
_NAMELESS = ("CONTRASTIVE.TYPE", "encoder")


def labels_of(keys: Iterable[str]) -> dict[str, str]:
    """A short name for each swept key."""
    return {key: _LABELS.get(key, short) for key, short in short_keys(keys).items()}


@dataclass
class Chain:
    """Runs of which each took its weights from the one before.

    Attributes:
        name: of the cell or of the last run.
        runs: in their order; at least one.
        values: swept keys and this chain's values.
    """

    name: str
    runs: list[RunRecord]
    values: dict[str, str] = field(default_factory=dict)

    @property
    def last(self) -> RunRecord:
        """The run whose number counts: the last one with a number, or else the last one."""
        return next((run for run in reversed(self.runs) if run.score is not None), self.runs[-1])

    @property
    def score(self) -> float | None:
        """The main number of the last run that has one, in percent."""
        return self.last.score

    @property
    def score_name(self) -> str:
        """The name of that number for people."""
        return SCORE_NAMES.get(self.last.score_name, self.last.score_name)

    @property
    def group(self) -> str:
        """The values without the seed: chains of one group differ by the seed alone."""
        names = {key: "" if key in _NAMELESS else f"{label} " for key, label in labels_of(self.swept).items()}
        return ", ".join(f"{name}{self.values[key]}" for key, name in names.items()) or self.name

    @property
    def swept(self) -> list[str]:
        """The swept keys besides the seed."""
        return [key for key in self.values if key != SEED]

    @property
    def seed(self) -> str:
        """The value of RNG_SEED."""
        return self.values.get(SEED) or str(cfg_value(self.runs[0].cfg, SEED) or 0)

    @property
    def pretraining(self) -> RunRecord | None:
        """The run that learned without labels."""
        return next((run for run in reversed(self.runs) if run.task == "pretrain"), None)

    @property
    def detector(self) -> RunRecord | None:
        """The last run that scored boxes."""
        return next((run for run in reversed(self.runs) if run.task in DETECTS), None)


def groups(chains: Iterable[Chain]) -> dict[str, list[Chain]]:
    """Chains that differ by the seed alone, together."""
    found: dict[str, list[Chain]] = {}
    for chain in chains:
        found.setdefault(chain.group, []).append(chain)
    return found


def mean_of_chains(chains: Sequence[Chain]) -> float:
    """The mean of the numbers of chains that all have one, in percent."""
    return statistics.fmean(chain.score or 0.0 for chain in chains)


def deviation(chains: Sequence[Chain]) -> float | None:
    """The standard deviation of their numbers, in percent; None for one chain."""
    return statistics.stdev(chain.score or 0.0 for chain in chains) if len(chains) > 1 else None


@dataclass
class Subject:
    """What a page is about.

    Attributes:
        path: as it was given.
        kind: "run", "eval", "study" or "folder".
        chains: at least one.
    """

    path: Path
    kind: str
    chains: list[Chain]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.absolute().name

    @property
    def compares(self) -> bool:
        """True if the page is about several chains."""
        return self.kind in ("study", "folder")

    @property
    def runs(self) -> list[RunRecord]:
        """The runs of all chains, each once."""
        return list({run.folder.resolve(): run for chain in self.chains for run in chain.runs}.values())

    def place_of(self, run: RunRecord) -> str:
        """The folder of a run below the one that the page is about, by which it is told from the others."""
        below = run.folder.absolute()
        top = self.path.absolute()
        return below.relative_to(top).as_posix() if self.compares and top in below.parents else run.name

    @property
    def scored(self) -> dict[str, list[Chain]]:
        """The chains that have a number, in groups that differ by the seed alone."""
        return groups(chain for chain in self.chains if chain.score is not None)

    @property
    def best_group(self) -> list[Chain]:
        """The chains, alike but for their seeds, with the highest mean; empty where none has a number."""
        return max(self.scored.values(), key=lambda chains: (mean_of_chains(chains), _pretrained(chains)), default=[])

    @property
    def main(self) -> Chain:
        """The chain that is shown in detail: the best seed of the group with the highest mean; of equals the first.

        A chain with a pre-training goes before one without.
        """
        return max(self.best_group or self.chains, key=lambda chain: (chain.score or 0.0, _pretrained([chain])))


def _pretrained(chains: Sequence[Chain]) -> bool:
    return any(chain.pretraining for chain in chains)


def read_subject(path: str | Path) -> Subject:
    """Find the runs of a folder.

    Args:
        path: a run, an evaluation, a study, or a folder of runs, such as that of the demo.

    Raises:
        JobError: it is none of these.
    """
    folder = Path(path)
    study = read_study(folder)
    if study is not None:
        cells = [
            Chain(cell.name or folder.absolute().name, _records(folder / job for job in cell.jobs), cell.values)
            for cell in study.cells
        ]
        return Subject(folder, "study", cells)
    if is_run(folder):
        kind = "eval" if (folder / OUTCOME_FILE).exists() else "run"
        return Subject(folder, kind, [Chain(folder.absolute().name, _records(_chain(folder)))])
    chains = [_chain(run) for run in run_folders(folder, below=True)]
    starts = {run.resolve() for chain in chains for run in chain[:-1]}
    ends = [chain for chain in chains if chain[-1].resolve() not in starts]
    found = [Chain(chain[-1].name, _records(chain)) for chain in ends]
    _name_by_encoder(found)
    return Subject(folder, "folder", found)


def _chain(run: Path) -> list[Path]:
    """The runs that a run's weights come from, also where the folder that holds them all was moved or copied."""
    chain = [run]
    while len(chain) < _LONGEST:
        before = _sibling(chain[0]) or next(iter(lineage(chain[0])[-2:-1]), None)
        if before is None or before in chain:
            break
        chain.insert(0, before)
    return chain


def _sibling(run: Path) -> Path | None:
    """The run in the same folder that has the checkpoint which this run names."""
    cfg = read_config(run)
    written = Path(_named(cfg, "TEST" if cfg.get("TASK") in MEASURES else "TRAIN"))
    candidate = (run.parent if run.name else run.absolute().parent) / written.parent.parent.name
    found = (candidate / "checkpoints" / written.name).is_file() and candidate.resolve() != run.resolve()
    return candidate if found else None


def _named(cfg: Mapping[str, Any], section: str) -> str:
    named = cfg_value(cfg, f"{section}.CHECKPOINT_FILE_PATH") or cfg_value(cfg, "TRAIN.CHECKPOINT_FILE_PATH")
    return str(named or "")


def _records(folders: Iterable[Path]) -> list[RunRecord]:
    return [RunRecord(folder) for folder in folders]


def _name_by_encoder(chains: list[Chain]) -> None:
    """Give chains of a folder values as a study's cells have them, where those tell the chains apart."""
    values = [{"encoder": _encoder(chain), SEED: str(cfg_value(chain.runs[0].cfg, SEED) or 0)} for chain in chains]
    distinct = Counter(tuple(each.values()) for each in values)
    if distinct and max(distinct.values()) == 1:
        for chain, each in zip(chains, values, strict=True):
            chain.values = each


def _encoder(chain: Chain) -> str:
    first = chain.runs[0]
    if first.task == "pretrain":
        rho = cfg_value(first.cfg, "DATA.TRAIN_CROP_NUM_TEMPORAL")
        return f"{cfg_value(first.cfg, 'CONTRASTIVE.TYPE')}, rho {rho}"
    source = cfg_value(first.cfg, "TEST.CHECKPOINT_FILE_PATH") or cfg_value(first.cfg, "TRAIN.CHECKPOINT_FILE_PATH")
    return Path(str(source)).name if source else "random encoder"
