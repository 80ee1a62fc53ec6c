"""The videos that an evaluation's numbers are of: listed, unreadable, used, known from the training. Without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rhovideo.runs.official_counts import OfficialCount

_NAMES = {"train": "training", "val": "validation", "test": "test"}


def count_videos(
    listed: Mapping[str, int], results: Mapping[str, Any], official: Mapping[str, OfficialCount] | None = None
) -> dict[str, dict[str, int | None]]:
    """Count the videos of each list.

    Args:
        listed: videos of each list.
        results: the content of the job's results.json.
        official: by list, how many of a data set's official videos it has, where that is known.

    Returns:
        For each list ``listed``; ``used``, those trained on or measured; ``unreadable``, the others, which could
        not be read or have no label; and ``in_train``, those that are in the training list too. None where a run of an
        earlier version has not counted them. ``official``, the videos that the data set's owners list, where known.
    """
    counts: dict[str, dict[str, int | None]] = {}
    for split, number in listed.items():
        used = results.get(f"{split}_videos")
        counts[split] = {"listed": number, "unreadable": None if used is None else number - used, "used": used}
        if split != "train":
            counts[split]["in_train"] = results.get(f"{split}_in_train")
        if official and split in official:
            counts[split]["official"] = official[split].official
    return counts


def of_official(outcome: Mapping[str, Any], split: str = "test") -> str:
    """The official videos that a number is of, of all that there are: ``19,404 of 19,761``; empty if not known.

    Args:
        outcome: the content of eval.json.
        split: the list that the number is of.
    """
    own = (outcome.get("lists") or {}).get(split) or {}
    used = own.get("listed") if own.get("used") is None else own.get("used")
    if not own.get("official") or used is None:
        return ""
    return f"{used:,} of {own['official']:,}"


def used_videos(counts: Mapping[str, Mapping[str, int | None]]) -> dict[str, int | None]:
    """Videos of each list that are trained on or measured; those that are listed where nothing else is known."""
    return {split: own["listed"] if own["used"] is None else own["used"] for split, own in counts.items()}


def remarks(outcome: Mapping[str, Any]) -> Iterator[str]:
    """Lines on videos that are left out, or known from the training, and on numbers that are none.

    Args:
        outcome: the content of eval.json.
    """
    counts: Mapping[str, Mapping[str, int | None]] = outcome.get("lists") or {}
    for split, own in counts.items():
        name, listed, unreadable, in_train = _NAMES[split], own["listed"], own["unreadable"], own.get("in_train")
        if unreadable:
            yield f"{unreadable} of {listed} {name} videos could not be read: see bad_videos.jsonl"
        if in_train:
            own_left_out = "; each is left out of its own neighbours" if outcome["settings"].get("k") else ""
            yield f"warning: {in_train} of {listed} {name} videos are in the training list too{own_left_out}"
    trained = counts.get("train", {}).get("used")
    k = outcome["settings"].get("k")
    if k is None or trained is None:
        return
    none = [name.removeprefix("recall_at_") for name, value in outcome["results"].items() if _is_none(name, value)]
    if outcome["protocol"] == "retrieval" and none and trained:
        ks = ", ".join(f"R@{one}" for one in none)
        yield f"{ks}: none, since only {trained} training videos could be used"
    if outcome["protocol"] == "knn" and trained < k:
        yield f"KNN.K is {k}, and all {trained} training videos that could be used vote"


def _is_none(name: str, value: object) -> bool:
    return name.startswith("recall_at_") and value is None
