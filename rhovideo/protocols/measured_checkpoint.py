"""A look at the checkpoint before anything is launched: what it holds, and whether all of it can be used."""

from __future__ import annotations

from fvcore.common.config import CfgNode

from rhovideo.protocols.recipes import Subject
from rhovideo.zoo.catalogue import entry_named, entry_of_file
from rhovideo.zoo.files.architecture import architecture
from rhovideo.zoo.files.checkpoint_files import WeightsFile, class_names_in, read_weights
from rhovideo.zoo.pretrained import load_classifier, load_pretrained
from rhovideo.zoo.sources import local_path


def examine(source: str, encoder: str = "online", classifier: bool = False) -> Subject:
    """Read a checkpoint, and build once what is to be measured.

    Args:
        source: a path, a URL or a short name of the zoo.
        encoder: "online" or "momentum".
        classifier: True if a classifier with its head is to be measured.

    Returns:
        The checkpoint as its recipe needs it.

    Raises:
        WeightsError: the file cannot be read, or does not hold all of that.
    """
    path = local_path(source).absolute()
    file = read_weights(path)
    cfg = architecture(file, encoder)
    classes = 0
    # Raises here, before the job starts, what would stop it in its first seconds.
    if classifier:
        classes = load_classifier(file, cfg).head.projection.out_features
    else:
        load_pretrained(file, cfg, encoder)
    entry = entry_named(source) or entry_of_file(source)
    names = tuple(class_names_in(file)) if classifier else ()
    note = _assumed(cfg) if file.cfg is None else ""
    name = entry.name if entry else ""
    return Subject(str(source), str(path), name, cfg, classes, _epochs(file), note, names, _is_supervised(file))


def _is_supervised(file: WeightsFile) -> bool:
    """True if all weights were trained with labels: a classifier that started from no checkpoint."""
    if file.cfg is None:
        return any(name.startswith("head.") and value.ndim == 2 for name, value in file.state.items())
    return file.cfg.TASK in ("finetune", "detection") and not file.cfg.TRAIN.CHECKPOINT_FILE_PATH


def _assumed(cfg: CfgNode) -> str:
    """A note on the assumptions about a file without a configuration."""
    return (
        f"the file does not name the clips that it was trained on: assuming {cfg.DATA.NUM_FRAMES} x "
        f"{cfg.DATA.SAMPLING_RATE}, crops of {cfg.DATA.TRAIN_CROP_SIZE} pixels. If they were others, write "
        "DATA.NUM_FRAMES, DATA.SAMPLING_RATE, DATA.TRAIN_CROP_SIZE and DATA.TEST_CROP_SIZE"
    )


def _epochs(file: WeightsFile) -> int | None:
    """Complete epochs; None if the file does not have them. The released format has the last epoch, counted from 0."""
    epoch = file.content.get("epoch")
    if not isinstance(epoch, int):
        return None
    return epoch if file.ours else epoch + 1
