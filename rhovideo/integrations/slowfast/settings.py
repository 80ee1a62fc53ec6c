"""PySlowFast's configuration, read as ours."""

from __future__ import annotations

from collections.abc import Iterator

from fvcore.common.config import CfgNode

from rhovideo.config.files.reading import cfg_from_released
from rhovideo.config.keys import leaves
from rhovideo.config.pyslowfast.other_keys import NO_EFFECT

# Sections that decide what a clip looks like.
_DATA_SECTIONS = ("DATA.", "AUG.", "MULTIGRID.", "DETECTION.")
# Several labels a video are for our own tasks alone.
_WITHOUT = NO_EFFECT | {"DATA.MULTI_LABEL": False}


def our_settings(cfg: CfgNode) -> CfgNode:
    """The keys that both packages have, as a frozen configuration of ours."""
    ours = cfg_from_released(cfg.dump())
    ours.defrost()
    # In PySlowFast this key names our data set. Here it names the kind of lists that are read.
    ours.TRAIN.DATASET = "kinetics"
    ours.freeze()
    return ours


def check_data(cfg: CfgNode) -> None:
    """Raise an error if a key of PySlowFast's asks for data that ours does not make.

    Args:
        cfg: PySlowFast's configuration.

    Raises:
        ValueError: the message has every such key, its value, and the value to write.
    """
    wrong = list(_unsupported(cfg))
    if wrong:
        raise ValueError(f"TRAIN.DATASET rhovideo does not do this: {'; '.join(wrong)}")


def _unsupported(cfg: CfgNode) -> Iterator[str]:
    for key, value in leaves(cfg):
        if key.startswith(_DATA_SECTIONS) and key in _WITHOUT and value != _WITHOUT[key]:
            yield f"{key} {value!r} (write {_WITHOUT[key]!r})"


def is_multi_pathway(cfg: CfgNode) -> bool:
    """True if the network takes a slow and a fast pathway."""
    return cfg.MODEL.ARCH in cfg.MODEL.MULTI_PATHWAY_ARCH


def is_contrastive(cfg: CfgNode) -> bool:
    """True if PySlowFast's loop calls the model through ``contrastive_forward``, clip by clip."""
    return cfg.MODEL.MODEL_NAME == "ContrastiveModel"
