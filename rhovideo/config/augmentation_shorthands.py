"""One key for several augmentations: DATA.AUG_PARTS (figure 3 of the paper) and DATA.COLOR_STRENGTH (its table 7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.findings import Finding
from rhovideo.config.keys import get_value, set_value
from rhovideo.config.schema import definitions

_PARTS, _STRENGTH = "DATA.AUG_PARTS", "DATA.COLOR_STRENGTH"
# Brightness, contrast and saturation, and hue, of strength 1.
_BRI_CON_SAT, _HUE = 0.4, 0.1


def expand(cfg: CfgNode, notes: list[str]) -> list[Finding]:
    """Set the keys that the short ones stand for, in place.

    Args:
        cfg: merged, not frozen, with our TASK.
        notes: gets a sentence for each short key that has changed others.

    Returns:
        What contradicts them.
    """
    if cfg.TASK != "pretrain":
        # The keys of a chain hold for all of its jobs.
        unused = [key for key, default in ((_PARTS, "keys"), (_STRENGTH, None)) if get_value(cfg, key) != default]
        notes += [f"{key} is for pre-training: TASK {cfg.TASK} keeps its own augmentation" for key in unused]
        return []
    strength = cfg.DATA.COLOR_STRENGTH
    # A wrong strength is named by itself, and not by what it would make of the other keys.
    if strength is not None and definitions()[_STRENGTH].check(strength) is None:
        factor = round(_BRI_CON_SAT * strength, 6)
        colours = {"DATA.SSL_COLOR_BRI_CON_SAT": [factor] * 3, "DATA.SSL_COLOR_HUE": round(_HUE * strength, 6)}
        _set(cfg, _STRENGTH, colours, notes)
    if cfg.DATA.AUG_PARTS == "keys":
        return []
    findings = list(_contradictions(cfg))
    if not findings:
        _set(cfg, _PARTS, _without(cfg), notes)
    return findings


def _without(cfg: CfgNode) -> dict[str, Any]:
    """The values that switch off the parts that are not named."""
    parts, crop = _named(cfg), cfg.DATA.TRAIN_CROP_SIZE
    values: dict[str, Any] = {}
    if "T" not in parts:
        values |= {"DATA.TRAIN_CROP_NUM_TEMPORAL": 1, "DATA.TRAIN_CROP_NUM_SPATIAL": 1}
    if "S" not in parts:
        values |= {
            "DATA.TRAIN_JITTER_SCALES": [crop, crop],
            "DATA.TRAIN_JITTER_SCALES_RELATIVE": [],
            "DATA.TRAIN_JITTER_ASPECT_RELATIVE": [],
            "DATA.RANDOM_FLIP": False,
        }
    if "C" not in parts:
        values["DATA.SSL_COLOR_JITTER"] = False
    return values


def _contradictions(cfg: CfgNode) -> Iterator[Finding]:
    """What a named part needs."""
    parts, data = _named(cfg), cfg.DATA
    keys: tuple[str, ...]
    if "T" in parts and (data.TRAIN_CROP_NUM_TEMPORAL < 2 or not data.AUG_TEMPORAL):
        keys = (_PARTS, "DATA.TRAIN_CROP_NUM_TEMPORAL", "DATA.AUG_TEMPORAL")
        wrong = "T is clips at different times, and one time is asked for"
        yield Finding(keys, wrong, "DATA.TRAIN_CROP_NUM_TEMPORAL 2 or more, or leave T out")
    if "S" in parts and not data.AUG_SPATIAL:
        yield Finding((_PARTS, "DATA.AUG_SPATIAL"), "S is random crops, and DATA.AUG_SPATIAL is False", "True")
    if "C" in parts and not data.SSL_COLOR_JITTER:
        keys = (_PARTS, "DATA.SSL_COLOR_JITTER")
        yield Finding(keys, "C is changes of colour, and DATA.SSL_COLOR_JITTER is False", "True, or leave C out")


def _named(cfg: CfgNode) -> str:
    return "" if cfg.DATA.AUG_PARTS == "base" else str(cfg.DATA.AUG_PARTS)


def _set(cfg: CfgNode, short: str, values: dict[str, Any], notes: list[str]) -> None:
    changed = {key: value for key, value in values.items() if get_value(cfg, key) != value}
    for key, value in changed.items():
        set_value(cfg, key, value)
    if changed:
        what = ", ".join(f"{key} {value}" for key, value in changed.items())
        notes.append(f"{short} {get_value(cfg, short)}: {what}")
