"""Combinations of values that cannot work."""

from __future__ import annotations

from fvcore.common.config import CfgNode

from rhovideo.config.tasks import Finding


def check(cfg: CfgNode, *, released: bool = False) -> list[Finding]:
    """Everything that is impossible in a resolved configuration."""
    return []
