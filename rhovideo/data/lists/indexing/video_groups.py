"""Clips that were cut from one video, known by their names: a split must not tear them apart.

Clips of one video show the same people, place and light. With some in train.csv and some in val.csv, an accuracy
measures memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# So many of the names must follow the pattern.
_SHARE = 0.9


@dataclass(frozen=True)
class GroupNames:
    """A way to name clips after the video that they are cut from.

    Attributes:
        source: the data set, or the way of naming, for people.
        pattern: of the names; what its group "video" holds is the same for the clips of one video.
        hint: for people.
    """

    source: str
    pattern: re.Pattern[str]
    hint: str = ""

    def group(self, name: str) -> str:
        """The video that a clip is cut from; a name of another kind is a video by itself."""
        found = self.pattern.fullmatch(name)
        return found["video"] if found else f"/{name}"

    def choose(self, names: Sequence[str], order: Iterable[int], number: int, decided: dict[str, bool]) -> set[int]:
        """Choose whole groups for validation.

        Args:
            names: of the files of one class.
            order: of the places of these names, drawn at random; a group stands where its first file does.
            number: of videos wanted; 0 chooses none.
            decided: what was decided on groups before, which is added to: True for validation.

        Returns:
            Places of names, about ``number``; at least one group stays for training.
        """
        members: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            members.setdefault(self.group(name), []).append(place)
        open_groups = list(dict.fromkeys(self.group(names[place]) for place in order))
        chosen = {place for group, places in members.items() if decided.get(group) for place in places}
        open_groups = [group for group in open_groups if group not in decided]
        keeps = any(decided.get(group) is False for group in members)
        for left, group in zip(range(len(open_groups) - 1, -1, -1), open_groups, strict=True):
            # Nearest to the number, and at least one group where any is wanted.
            wanted = len(chosen) + len(members[group]) / 2 <= number or (number > 0 and not chosen)
            decided[group] = wanted and (left > 0 or keeps)
            if decided[group]:
                chosen.update(members[group])
        return chosen

    def notes(self) -> list[str]:
        """Lines for people who get such a split."""
        kept = f"the names are those of {self.source}: the clips of one video stay together, all in train or all in val"
        return [kept, *([self.hint] if self.hint else [])]


_KNOWN = (
    GroupNames(
        "UCF101 (v_Class_g01_c01)",
        re.compile(r"(?P<video>v_.+_g\d+)_c\d+\.\w+", re.I),
        "UCF101's official splits: --ucf101 FOLDER of trainlist01.txt, testlist01.txt, ...",
    ),
    GroupNames(
        "HMDB51 (video_action_f_cm_np1_ri_med_0)",
        re.compile(r"(?P<video>.+)_[fuhl]_[nc]m_np\d_(fr|ri|le|ba)_(goo|med|bad)_\d+\.\w+", re.I),
        "HMDB51's official splits: --hmdb51 FOLDER of *_test_split1.txt, ...",
    ),
    GroupNames("Kinetics (id_000010_000020)", re.compile(r"(?P<video>.{11})_\d{6}_\d{6}\.\w+", re.I)),
)


def recognise_groups(names: Sequence[str]) -> GroupNames | None:
    """Find out how files are named after the videos that they are cut from.

    Args:
        names: of the files.

    Returns:
        The way of naming; None if they are not named so, or if each video has only one clip.
    """
    for known in _KNOWN:
        matching = [found["video"] for found in map(known.pattern.fullmatch, names) if found]
        if len(matching) >= max(_SHARE * len(names), 2) and len(set(matching)) < len(matching):
            return known
    return None
