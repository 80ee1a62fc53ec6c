"""What a checkpoint's file says about itself, and whether all of it can be used: before anything is launched."""

from __future__ import annotations

from fvcore.common.config import CfgNode

from rhovideo.protocols.recipes import Subject
from rhovideo.zoo.architecture import architecture
from rhovideo.zoo.catalogue import entry_named, entry_of_file
from rhovideo.zoo.checkpoint_files import WeightsFile, read_weights
from rhovideo.zoo.pretrained import load_classifier, load_pretrained
from rhovideo.zoo.sources import local_path


def examine(source: str, encoder: str = "online", classifier: bool = False) -> Subject:
    """Read a checkpoint and build what is to be measured once.

    Args:
        source: a path, an URL or a short name of the zoo.
        encoder: "online" or "momentum".
        classifier: whether it is to be a classifier, with its head.

    Raises:
        WeightsError: the file cannot be read or does not hold all of that.
    """
    path = local_path(source).absolute()
    file = read_weights(path)
    cfg = architecture(file, encoder)
    classes = 0
    # Says now what would stop the job in its first seconds.
    if classifier:
        classes = load_classifier(file, cfg).head.projection.out_features
    else:
        load_pretrained(file, cfg, encoder)
    entry = entry_named(source) or entry_of_file(source)
    note = _assumed(cfg) if file.cfg is None else ""
    return Subject(str(source), str(path), entry.name if entry else "", cfg, classes, _epochs(file), note)


def _assumed(cfg: CfgNode) -> str:
    """What was assumed of a file without a configuration."""
    return (
        f"the file does not tell which clips it was trained on: taken for {cfg.DATA.NUM_FRAMES} x "
        f"{cfg.DATA.SAMPLING_RATE}, crops of {cfg.DATA.TRAIN_CROP_SIZE} pixels; DATA.NUM_FRAMES, DATA.SAMPLING_RATE, "
        "DATA.TRAIN_CROP_SIZE and DATA.TEST_CROP_SIZE say otherwise"
    )


def _epochs(file: WeightsFile) -> int | None:
    """Complete epochs; None where the file does not tell. The released format counts from 0 which one was last."""
    epoch = file.content.get("epoch")
    if not isinstance(epoch, int):
        return None
    return epoch if file.ours else epoch + 1
