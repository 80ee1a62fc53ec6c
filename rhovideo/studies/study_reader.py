"""Reading and checking a study's file. The values of configuration keys are checked when its jobs are made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rhovideo.config.files.yaml_settings import Setting
from rhovideo.config.findings import ConfigError, Problem
from rhovideo.config.keys import nearest, nearest_key
from rhovideo.config.schema import definitions
from rhovideo.studies.entries import Entry, read_entries
from rhovideo.studies.study_file import (
    DESCRIPTIONS,
    PLOTS,
    PROTOCOLS,
    STARTS,
    WITH_CHECKPOINT,
    Measure,
    StudyCell,
    StudyFile,
    Subset,
)

_TOP = (
    *("TITLE", "TRAIN_ON", "SET", "ROW_HEADING", "ROWS", "COLUMNS", "WITHOUT", "CELLS", "MEASURE", "SUBSETS"),
    *("DESCRIBE", "PLOT", "STATISTICS"),
)
_WORDS = ("RECIPE", "TRAIN_ON", "START", "MEASURE", "MEASURE_WITH")
_OF_MEASURE = ("DATA", "PROTOCOL", "SPLITS")
_OF_SUBSET = ("OF", "VIDEOS", "BALANCED", "SEED")
# The study decides them itself.
_DECIDED = (
    *("OUTPUT_DIR", "RNG_SEED", "DATA.PATH_TO_DATA_DIR"),
    *("TRAIN.CHECKPOINT_FILE_PATH", "TEST.CHECKPOINT_FILE_PATH"),
)


def read_study_file(path: Path) -> StudyFile:
    """Read and check a study's file.

    Raises:
        ConfigError: with every problem found, each with its line and what to write.
    """
    top = read_entries(path)
    reader = _Reader()
    study = reader.study(path, top)
    if reader.problems:
        raise ConfigError(reader.problems)
    return study


@dataclass(frozen=True)
class _Settings:
    """What a row, a column or a cell says: words of a study, and configuration keys."""

    words: Mapping[str, Entry] = field(default_factory=dict)
    keys: Mapping[str, Setting] = field(default_factory=dict)

    def __or__(self, later: _Settings) -> _Settings:
        return _Settings({**self.words, **later.words}, {**self.keys, **later.keys})


class _Reader:
    """Turns entries into a study, and collects what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def study(self, path: Path, top: Entry) -> StudyFile:
        self._check_names(top.value, _TOP)
        entries = {name: entry for name, entry in top.value.items() if entry.value is not None}
        title = self._text(entries, "TITLE") or path.stem
        if "STATISTICS" in entries:
            return StudyFile(path.stem, path, title, statistics=tuple(self._texts(entries["STATISTICS"], "STATISTICS")))
        missing = [name for name in ("ROWS", "MEASURE") if name not in entries]
        self.problems += [top.problem(name, "is missing", f"{name}: with a line for each of them") for name in missing]
        measures = self._measures(entries.get("MEASURE"))
        rows = self._parts(entries.get("ROWS"), "ROWS")
        columns = self._parts(entries.get("COLUMNS"), "COLUMNS") or {"": _Settings()}
        subsets = self._subsets(entries.get("SUBSETS"))
        return StudyFile(
            name=path.stem,
            path=path,
            title=title,
            row_heading=self._text(entries, "ROW_HEADING"),
            rows=tuple(rows),
            columns=tuple(columns),
            measures=measures,
            cells=tuple(self._cells(top, entries, rows, columns, measures)),
            subsets=subsets,
            describe=tuple(self._choices(entries.get("DESCRIBE"), "DESCRIBE", DESCRIPTIONS)),
            plot=self._choice(entries.get("PLOT"), "PLOT", PLOTS),
        )

    def _cells(
        self,
        top: Entry,
        entries: Mapping[str, Entry],
        rows: Mapping[str, _Settings],
        columns: Mapping[str, _Settings],
        measures: Mapping[str, Measure],
    ) -> list[StudyCell]:
        of_all = self._settings(entries["SET"], "SET") if "SET" in entries else _Settings()
        if "TRAIN_ON" in entries:
            of_all = _Settings({"TRAIN_ON": entries["TRAIN_ON"]}) | of_all
        own, without = self._own_settings(entries, rows, columns), self._left_out(entries, rows, columns)
        return [
            self._cell(
                top, row, column, of_all | rows[row] | columns[column] | own.get((row, column), _Settings()), measures
            )
            for row in rows
            for column in columns
            if (row, column) not in without
        ]

    def _cell(
        self, top: Entry, row: str, column: str, settings: _Settings, measures: Mapping[str, Measure]
    ) -> StudyCell:
        place = f"row {row}" + (f", column {column}" if column else "")
        words = settings.words
        for name, remedy in (("RECIPE", "pretrain/BYOL_SlowR50_8x8_paper"), ("TRAIN_ON", "K400")):
            if name not in words:
                wrong = f"the cell of {place} has none"
                self.problems.append(top.problem(name, wrong, f"{name}: {remedy} for all cells, its row or its column"))
        chosen = words.get("MEASURE")
        labels = tuple(self._choices(chosen, "MEASURE", measures) if chosen else measures)
        start = self._choice(words.get("START"), "START", STARTS)
        if start == "random":
            self._check_random(words["START"], [measures[label] for label in labels])
        recipe, train_on = self._text(words, "RECIPE"), self._text(words, "TRAIN_ON")
        return StudyCell(
            row, column, recipe, train_on, start, labels, settings.keys, self._measure_keys(words, measures)
        )

    def _measure_keys(
        self, words: Mapping[str, Entry], measures: Mapping[str, Measure]
    ) -> dict[str, Mapping[str, Setting]]:
        """A cell's own settings of its measures, by label."""
        found: dict[str, Mapping[str, Setting]] = {}
        for label, entry in self._mapping(words.get("MEASURE_WITH"), "MEASURE_WITH").items():
            if label not in measures:
                remedy = f"some of {', '.join(measures)}"
                self.problems.append(entry.problem("MEASURE_WITH", f"there is no {label!r}", remedy))
                continue
            found[label] = self._settings(entry, f"MEASURE_WITH {label}", words=()).keys
        return found

    def _check_random(self, entry: Entry, measures: Sequence[Measure]) -> None:
        """Refuse what only a checkpoint can be measured by."""
        if labels := [measure.label for measure in measures if measure.protocol in WITH_CHECKPOINT]:
            wrong = f"random weights have no checkpoint, and {' and '.join(labels)} of this cell needs one"
            allowed = [protocol for protocol in PROTOCOLS if protocol not in WITH_CHECKPOINT]
            remedy = f"MEASURE: with those of its protocols that train: {', '.join(allowed)}"
            self.problems.append(entry.problem("START", wrong, remedy))

    def _own_settings(
        self, entries: Mapping[str, Entry], rows: Collection[str], columns: Collection[str]
    ) -> dict[tuple[str, str], _Settings]:
        """Settings of single cells, by row and column."""
        found: dict[tuple[str, str], _Settings] = {}
        for entry in self._list(entries.get("CELLS"), "CELLS"):
            if not isinstance(entry.value, dict):
                self.problems.append(entry.problem("CELLS", "is not a list of cells", '- {ROW: "2", COLUMN: BYOL, …}'))
                continue
            rest = {name: value for name, value in entry.value.items() if name not in ("ROW", "COLUMN")}
            row, column = self._text(entry.value, "ROW"), self._text(entry.value, "COLUMN")
            if self._is_cell(entry, "CELLS", row, column, rows, columns):
                made = self._settings(Entry(rest, None, entry.origin), "CELLS")
                found[row, column] = found.get((row, column), _Settings()) | made
        return found

    def _left_out(
        self, entries: Mapping[str, Entry], rows: Collection[str], columns: Collection[str]
    ) -> set[tuple[str, str]]:
        found = set()
        for entry in self._list(entries.get("WITHOUT"), "WITHOUT"):
            place = self._texts(entry, "WITHOUT")
            row, column = (*place, "")[:2] if place else ("", "")
            if self._is_cell(entry, "WITHOUT", row, column, rows, columns):
                found.add((row, column))
        return found

    def _is_cell(
        self, entry: Entry, key: str, row: str, column: str, rows: Collection[str], columns: Collection[str]
    ) -> bool:
        for word, known, what in ((row, rows, "row"), (column, columns, "column")):
            if word not in known:
                remedy = f"one of {', '.join(known)}" if "" not in known else "no column: this table has none"
                self.problems.append(entry.problem(key, f"there is no {what} {word!r}", remedy))
                return False
        return True

    def _measures(self, entry: Entry | None) -> dict[str, Measure]:
        return {label: self._measure(label, value) for label, value in self._mapping(entry, "MEASURE").items()}

    def _measure(self, label: str, entry: Entry) -> Measure:
        key = f"MEASURE {label}"
        parts = entry.value
        if isinstance(parts, str):
            data, _, protocol = parts.rpartition(" ")
            parts = {"DATA": Entry(data, data, entry.origin), "PROTOCOL": Entry(protocol, protocol, entry.origin)}
        if not isinstance(parts, dict) or not {"DATA", "PROTOCOL"} <= parts.keys() or not parts["DATA"].value:
            remedy = f"{label}: K400 linear, or {label}: {{DATA: K400, PROTOCOL: linear}}"
            self.problems.append(entry.problem(key, "is no data set with a protocol", remedy))
            return Measure(label, "", PROTOCOLS[0])
        splits = [each.value for each in self._list(parts.get("SPLITS"), key)]
        if not all(isinstance(number, int) and number > 0 for number in splits):
            self.problems.append(parts["SPLITS"].problem(key, f"its splits are {splits}", "SPLITS: [1, 2, 3]"))
        rest = {name: value for name, value in parts.items() if name not in _OF_MEASURE}
        return Measure(
            label,
            self._text(parts, "DATA"),
            self._choice(parts["PROTOCOL"], key, PROTOCOLS),
            tuple(splits),
            self._settings(Entry(rest, None, entry.origin), key, words=()).keys,
        )

    def _subsets(self, entry: Entry | None) -> dict[str, Subset]:
        found = {}
        for name, value in self._mapping(entry, "SUBSETS").items():
            key = f"SUBSETS {name}"
            parts = self._mapping(value, key)
            self._check_names(parts, _OF_SUBSET)
            videos = parts["VIDEOS"].value if "VIDEOS" in parts else None
            if "OF" not in parts or not isinstance(videos, int) or isinstance(videos, bool) or videos < 1:
                remedy = f"{name}: {{OF: K400, VIDEOS: 32000}}"
                self.problems.append(value.problem(key, "is no part of a list", remedy))
                continue
            balanced, seed = (parts[word].value if word in parts else 0 for word in ("BALANCED", "SEED"))
            found[name] = Subset(self._text(parts, "OF"), videos, bool(balanced), int(seed))
        return found

    def _parts(self, entry: Entry | None, key: str) -> dict[str, _Settings]:
        """Rows or columns: settings by label."""
        return {label: self._settings(value, f"{key} {label}") for label, value in self._mapping(entry, key).items()}

    def _settings(self, entry: Entry, key: str, words: Sequence[str] = _WORDS) -> _Settings:
        entries = self._mapping(entry, key)
        own = {name: value for name, value in entries.items() if name in words}
        keys: dict[str, Setting] = {}
        for name, value in entries.items():
            if name not in own:
                keys |= self._keys(name, value, words)
        return _Settings(own, keys)

    def _keys(self, name: str, entry: Entry, words: Sequence[str]) -> dict[str, Setting]:
        """The configuration keys of an entry, which may be a section."""
        if isinstance(entry.value, dict) and name not in definitions():
            found: dict[str, Setting] = {}
            for inner, value in entry.value.items():
                found |= self._keys(f"{name}.{inner}", value, ())
            return found
        if name in _DECIDED:
            self.problems.append(entry.problem(name, "is decided by the study", "nothing: leave it out"))
        elif name not in definitions():
            meant = nearest(name, words)
            self.problems.append(entry.problem(name, "there is no such key", meant or nearest_key(name, definitions())))
        else:
            return {name: entry.as_setting()}
        return {}

    def _check_names(self, entries: Mapping[str, Entry], known: Sequence[str]) -> None:
        for name, entry in entries.items():
            if name not in known:
                remedy = nearest(name, known) or f"one of {', '.join(known)}"
                self.problems.append(entry.problem(name, "there is no such part of a study", remedy))

    def _mapping(self, entry: Entry | None, key: str) -> dict[str, Entry]:
        if entry is None or entry.value is None:
            return {}
        if isinstance(entry.value, dict):
            return entry.value
        self.problems.append(entry.problem(key, f"is {entry.plain()!r}", f"{key.split()[-1]}: {{NAME: VALUE}}"))
        return {}

    def _list(self, entry: Entry | None, key: str) -> list[Entry]:
        if entry is None or entry.value is None:
            return []
        if isinstance(entry.value, list):
            return entry.value
        self.problems.append(entry.problem(key, f"is {entry.plain()!r}", "[ONE, OTHER]"))
        return []

    def _texts(self, entry: Entry, key: str) -> list[str]:
        return [str(each.text or "") for each in self._list(entry, key)]

    def _text(self, entries: Mapping[str, Entry], name: str) -> str:
        if name not in entries:
            return ""
        entry = entries[name]
        if entry.text is None:
            self.problems.append(entry.problem(name, f"is {entry.plain()!r}", f"{name}: TEXT"))
        return entry.text or ""

    def _choice(self, entry: Entry | None, key: str, known: Sequence[str]) -> str:
        """The choice, or the first one where none is made."""
        if entry is None:
            return known[0]
        if entry.text not in known:
            self.problems.append(entry.problem(key, f"is {entry.plain()!r}", f"one of {', '.join(known)}"))
            return known[0]
        return str(entry.text)

    def _choices(self, entry: Entry | None, key: str, known: Collection[Any]) -> list[str]:
        if entry is None:
            return []
        chosen = self._texts(entry, key)
        for word in chosen:
            if word not in known:
                self.problems.append(entry.problem(key, f"there is no {word!r}", f"some of {', '.join(known)}"))
        return [word for word in chosen if word in known]
