"""Configurations of an earlier version lack keys: they are compared as if they had the defaults."""

from __future__ import annotations

from rhovideo.config import load_cfg
from rhovideo.config.comparison import MACHINE, differences, differing_values, keys_without_effect


def written_before(cfg):
    """The configuration as a version wrote it that did not know two keys of today."""
    values = {name: dict(node) if isinstance(node, dict) else node for name, node in cfg.items()}
    del values["CONTRASTIVE"]["BN_EMBEDDING"], values["SOLVER"]["PREDICTOR_LR_FACTOR"]
    return values


def loaded(*words):
    return load_cfg("demo/simclr", ["DATA.PATH_TO_DATA_DIR", "nowhere", *map(str, words)])


def test_a_key_that_came_later_is_no_difference_at_its_default():
    cfg = loaded()
    assert differences(written_before(cfg), cfg, MACHINE) == []
    assert differing_values(written_before(cfg), cfg, keys_without_effect(cfg)) == {}


def test_a_key_that_came_later_is_a_difference_at_another_value():
    now = loaded("CONTRASTIVE.BN_EMBEDDING", True)
    before = written_before(loaded())
    assert differences(before, now, MACHINE) == ["CONTRASTIVE.BN_EMBEDDING"]
    assert differing_values(before, now, keys_without_effect(now)) == {"CONTRASTIVE.BN_EMBEDDING": (False, True)}


def test_what_is_only_logged_changes_no_result():
    assert differing_values(loaded(), loaded("LOG_DIAGNOSTICS", True), MACHINE) == {}
