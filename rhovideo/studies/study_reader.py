"""Reading and checking a study's file. The values of configuration keys are checked when its jobs are made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rhovideo.config.files.yaml_settings import Setting
from rhovideo.config.findings import ConfigError
from rhovideo.config.keys import nearest, nearest_key
from rhovideo.config.schema import definitions
from rhovideo.studies.entries import Entry, EntryReader, is_whole, read_entries
from rhovideo.studies.job_names import is_plain_name
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
_NO_NAME = "cannot be the name of a data set: folders are named after it"
_NAMES = "letters, digits, points, hyphens and single underscores, such as K400-32k"
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


class _Reader(EntryReader):
    """Turns entries into a study."""

    def study(self, path: Path, top: Entry) -> StudyFile:
        self.check_names(top.value, _TOP)
        entries = {name: entry for name, entry in top.value.items() if entry.value is not None}
        title = self.text(entries, "TITLE") or path.stem
        if "STATISTICS" in entries:
            return StudyFile(path.stem, path, title, statistics=self._statistics(entries))
        missing = [name for name in ("ROWS", "MEASURE") if name not in entries or entries[name].value == {}]
        self.problems += [top.problem(name, "is missing", f"{name}: with a line for each of them") for name in missing]
        subsets = self._subsets(entries.get("SUBSETS"))
        measures = self._measures(entries.get("MEASURE"), subsets)
        rows = self._parts(entries.get("ROWS"), "ROWS")
        columns = self._parts(entries.get("COLUMNS"), "COLUMNS") or {"": _Settings()}
        cells = self._cells(top, entries, rows, columns, measures)
        if rows and not cells:
            self.problems.append(top.problem("WITHOUT", "leaves out all cells", "those alone that the table lacks"))
        return StudyFile(
            name=path.stem,
            path=path,
            title=title,
            row_heading=self.text(entries, "ROW_HEADING"),
            rows=tuple(rows),
            columns=tuple(columns),
            measures=measures,
            cells=tuple(cells),
            subsets=subsets,
            describe=tuple(self.choices(entries.get("DESCRIBE"), "DESCRIBE", DESCRIPTIONS)),
            plot=self.choice(entries.get("PLOT"), "PLOT", PLOTS),
        )

    def _statistics(self, entries: Mapping[str, Entry]) -> tuple[str, ...]:
        """The data sets of a table of lists, which has a title besides."""
        for name in (each for each in entries if each not in ("TITLE", "STATISTICS")):
            remedy = "nothing: leave it out, or leave STATISTICS out"
            self.problems.append(
                entries[name].problem(name, "stands beside STATISTICS, and that table has none", remedy)
            )
        entry = entries["STATISTICS"]
        names = [self._data_set(each, "STATISTICS") for each in self.elements(entry, "STATISTICS", "[K400, K600]")]
        if entry.value == [] or len(set(names)) < len(names):
            wrong = "names one list twice" if names else "names no list"
            self.problems.append(entry.problem("STATISTICS", wrong, "STATISTICS: [K400, K600]"))
        return tuple(names)

    def _data_set(self, entry: Entry | None, key: str) -> str:
        """The name of a data set; empty where there is none."""
        if entry is None:
            return ""
        if not isinstance(entry.value, str):
            wrong = f"is {entry.plain()!r}, and the name of a data set is wanted"
            quoted = f', or "{entry.text}" in quotes if that is its name' if entry.text else ""
            self.problems.append(entry.problem(key, wrong, f"a name, such as K400{quoted}"))
        elif not is_plain_name(entry.value):
            self.problems.append(entry.problem(key, f"{entry.value!r} {_NO_NAME}", _NAMES))
        return str(entry.text or "")

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
        labels = tuple(self.choices(chosen, "MEASURE", measures) if chosen else measures)
        if chosen and chosen.value == []:
            remedy = f"some of {', '.join(measures)}; a cell of WITHOUT is left out of the table"
            self.problems.append(chosen.problem("MEASURE", f"measures nothing in the cell of {place}", remedy))
        start = self.choice(words.get("START"), "START", STARTS)
        if start == "random":
            self._check_random(words["START"], [measures[label] for label in labels])
        recipe, train_on = self._recipe(words.get("RECIPE")), self._data_set(words.get("TRAIN_ON"), "TRAIN_ON")
        return StudyCell(
            row, column, recipe, train_on, start, labels, settings.keys, self._measure_keys(words, measures)
        )

    def _recipe(self, entry: Entry | None) -> str:
        if entry is not None and (not isinstance(entry.value, str) or not entry.value or "\0" in entry.value):
            remedy = "RECIPE: pretrain/BYOL_SlowR50_8x8_paper, or the path of a YAML file"
            self.problems.append(entry.problem("RECIPE", f"is {entry.plain()!r}", remedy))
        return str(entry.value) if entry is not None else ""

    def _measure_keys(
        self, words: Mapping[str, Entry], measures: Mapping[str, Measure]
    ) -> dict[str, Mapping[str, Setting]]:
        """A cell's own settings of its measures, by label."""
        found: dict[str, Mapping[str, Setting]] = {}
        for label, entry in self.mapping(words.get("MEASURE_WITH"), "MEASURE_WITH").items():
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
        for entry in self.elements(entries.get("CELLS"), "CELLS"):
            if not isinstance(entry.value, dict):
                self.problems.append(entry.problem("CELLS", "is not a list of cells", '- {ROW: "2", COLUMN: BYOL, …}'))
                continue
            rest = {name: value for name, value in entry.value.items() if name not in ("ROW", "COLUMN")}
            row, column = self.text(entry.value, "ROW"), self.text(entry.value, "COLUMN")
            if self._is_cell(entry, "CELLS", row, column, rows, columns):
                made = self._settings(Entry(rest, None, entry.origin), "CELLS")
                found[row, column] = found.get((row, column), _Settings()) | made
        return found

    def _left_out(
        self, entries: Mapping[str, Entry], rows: Collection[str], columns: Collection[str]
    ) -> set[tuple[str, str]]:
        found = set()
        for entry in self.elements(entries.get("WITHOUT"), "WITHOUT"):
            place = self.texts(entry, "WITHOUT")
            row, column = (*place, "")[:2] if place else ("", "")
            if len(place) > 2:
                wrong = f"has {len(place)} labels, {', '.join(place)}, and a cell has a row and a column"
                self.problems.append(entry.problem("WITHOUT", wrong, 'a list of each cell: [["1", BYOL], ["2", MoCo]]'))
            elif self._is_cell(entry, "WITHOUT", row, column, rows, columns):
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

    def _measures(self, entry: Entry | None, subsets: Collection[str]) -> dict[str, Measure]:
        found = {label: self._measure(label, value) for label, value in self._labelled(entry, "MEASURE").items()}
        for label, measure in found.items():
            if entry is not None and measure.splits and measure.data in subsets:
                wrong = f"{measure.data} is drawn by the study, and has no splits"
                self.problems.append(entry.value[label].problem(f"MEASURE {label}", wrong, "it without SPLITS"))
        return found

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
        rest = {name: value for name, value in parts.items() if name not in _OF_MEASURE}
        return Measure(
            label,
            self._data_set(parts["DATA"], key),
            self.choice(parts["PROTOCOL"], key, PROTOCOLS),
            self._splits(parts.get("SPLITS"), key),
            self._settings(Entry(rest, None, entry.origin), key, words=()).keys,
        )

    def _splits(self, entry: Entry | None, key: str) -> tuple[int, ...]:
        splits = [each.value for each in self.elements(entry, f"{key} SPLITS", "SPLITS: [1, 2, 3]")]
        if entry is not None and not (
            all(is_whole(number, 1) for number in splits) and len(set(splits)) == len(splits)
        ):
            wrong = f"its splits are {entry.plain()}, and different whole numbers from 1 are wanted"
            self.problems.append(entry.problem(key, wrong, "SPLITS: [1, 2, 3]"))
            return ()
        return tuple(splits)

    def _subsets(self, entry: Entry | None) -> dict[str, Subset]:
        entries = self.mapping(entry, "SUBSETS")
        return {name: self._subset(name, value, entries) for name, value in entries.items()}

    def _subset(self, name: str, entry: Entry, all_subsets: Collection[str]) -> Subset:
        key = f"SUBSETS {name}"
        parts = self.mapping(entry, key)
        self.check_names(parts, _OF_SUBSET)
        if not is_plain_name(name):
            self.problems.append(entry.problem(key, f"{name!r} {_NO_NAME}", _NAMES))
        if not {"OF", "VIDEOS"} <= parts.keys():
            remedy = f"{name}: {{OF: K400, VIDEOS: 32000}}"
            self.problems.append(entry.problem(key, "is no part of a list", remedy))
        source = self._data_set(parts.get("OF"), f"{key} OF")
        if source in all_subsets:
            wrong = f"it is drawn from {source}, which the study draws too"
            remedy = "OF: the data set itself; a smaller list is inside each larger one of the same SEED"
            self.problems.append(entry.problem(key, wrong, remedy))
        videos, seed = self.number(parts, "VIDEOS", key, 1, 32000), self.number(parts, "SEED", key, 0, 0)
        return Subset(source, videos, self.truth(parts, "BALANCED", key), seed)

    def _parts(self, entry: Entry | None, key: str) -> dict[str, _Settings]:
        """Rows or columns: settings by label."""
        return {label: self._settings(value, f"{key} {label}") for label, value in self._labelled(entry, key).items()}

    def _labelled(self, entry: Entry | None, key: str) -> dict[str, Entry]:
        """The parts of a table by their labels."""
        entries = self.mapping(entry, key)
        if "" in entries:
            self.problems.append(entries[""].problem(key, "has an empty label", "a label before the colon"))
        return entries

    def _settings(self, entry: Entry, key: str, words: Sequence[str] = _WORDS) -> _Settings:
        entries = self.mapping(entry, key)
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
