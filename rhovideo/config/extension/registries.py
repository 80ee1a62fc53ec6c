"""Methods, encoders, data sets and loggers by name, for CONTRASTIVE.TYPE, MODEL.ARCH, TRAIN.DATASET and LOGGERS.USE.

Those of rhovideo stand here as ``"module:function"``, which is imported once something is built, so that a
configuration is checked without torch. One of your own is one file and one line::

    @rhovideo.register_method("vicreg")
    def build(cfg, encoder):
        return VICReg(encoder, ...)

Name the file's module under ``PLUGINS`` in the configuration, and it is imported before the configuration is checked,
also in every process of the job (:mod:`rhovideo.config.extension.plugins`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, overload

from fvcore.common.config import CfgNode

if TYPE_CHECKING:
    from torch import nn

    from rhovideo.data.lists.video_list import VideoList

_Builder = TypeVar("_Builder", bound=Callable[..., Any])


class Registry(Collection[str]):
    """The names that a key may hold, and what builds each.

    Args:
        key: the key, for messages.
        builtin: those of rhovideo: name to ``"module:attribute"``.
        any_case: whether ``Kinetics`` means ``kinetics``.
    """

    def __init__(self, key: str, builtin: Mapping[str, str], any_case: bool = False) -> None:
        self.key = key
        self.builtin = builtin
        self._any_case = any_case
        self._registered: dict[str, Callable[..., Any]] = {}

    def __contains__(self, name: object) -> bool:
        return self._folded(name) in self.builtin or self._folded(name) in self._registered

    def __iter__(self) -> Iterator[str]:
        yield from self.builtin
        yield from self._registered

    def __len__(self) -> int:
        return len(self.builtin) + len(self._registered)

    def is_builtin(self, name: str) -> bool:
        """True if the name is one of rhovideo's."""
        return self._folded(name) in self.builtin

    def register(self, name: str, build: _Builder) -> _Builder:
        """Add a name.

        Args:
            name: what the key will hold; letters, digits, ``_``, ``-``, ``+`` and ``.``.
            build: is called when something of this name is built.

        Returns:
            ``build``.

        Raises:
            ValueError: the name is taken, or holds other signs.
        """
        if not re.fullmatch(r"[\w.+-]+", name) or self._folded(name) != name:
            letters = "small letters" if self._any_case else "letters"
            raise ValueError(f"{name!r} cannot be a {self.key}: write {letters}, digits and _ - + .")
        taken = self._registered.get(name)
        if name in self.builtin or (taken is not None and _place(taken) != _place(build)):
            by = "rhovideo" if taken is None else ":".join(_place(taken))
            raise ValueError(f"there is a {self.key} {name!r} already, of {by}: take another name")
        self._registered[name] = build
        return build

    def builder(self, name: str) -> Callable[..., Any]:
        """The builder of ``name``; its module is imported now if it is one of rhovideo's.

        Raises:
            ValueError: there is no such name.
        """
        if name not in self:
            raise ValueError(f"{self.key} is {name!r}: write one of {', '.join(self)}")
        name = self._folded(name)
        if name in self._registered:
            return self._registered[name]
        module, _, attribute = self.builtin[name].partition(":")
        found: Callable[..., Any] = getattr(import_module(module), attribute)
        return found

    def _folded(self, name: Any) -> Any:
        return name.lower() if self._any_case and isinstance(name, str) else name


def _place(build: Callable[..., Any]) -> tuple[str, str]:
    """The file and the name of a builder: a file that is run and imported too registers the same one twice."""
    module = getattr(build, "__module__", "")
    file = getattr(sys.modules.get(module), "__file__", None) or module
    return file, getattr(build, "__qualname__", repr(build))


METHODS = Registry(
    "CONTRASTIVE.TYPE",
    {
        "simclr": "rhovideo.ssl.build:build_simclr",
        "moco": "rhovideo.ssl.build:build_moco",
        "byol": "rhovideo.ssl.build:build_byol",
        "swav": "rhovideo.ssl.build:build_swav",
    },
)
BACKBONES = Registry(
    "MODEL.ARCH",
    {
        "slow": "rhovideo.models.networks.resnet:build_resnet",
        "c2d": "rhovideo.models.networks.resnet:build_resnet",
        "i3d": "rhovideo.models.networks.resnet:build_resnet",
        "slowfast": "rhovideo.models.networks.slowfast:build_slowfast",
        "r2plus1d": "rhovideo.models.networks.r2plus1d:build_r2plus1d",
        "x3d": "rhovideo.models.networks.x3d:build_x3d",
        "mvit": "rhovideo.models.networks.mvit:build_mvit",
        "s3dg": "rhovideo.models.networks.s3dg:build_s3dg",
    },
)
# The data set of TASK detection.
BOXES = "ava"
DATASETS = Registry(
    "TRAIN.DATASET",
    {
        "kinetics": "rhovideo.data.lists.opening:open_video_list",
        "ptvkinetics": "rhovideo.data.lists.opening:open_video_list",
        "ssv2": "rhovideo.data.lists.opening:open_frame_list",
        "charades": "rhovideo.data.lists.opening:open_charades_list",
        "ptvcharades": "rhovideo.data.lists.opening:open_charades_list",
        "ava": "rhovideo.data.lists.boxes.key_frames:open_key_frames",
    },
    any_case=True,
)

LOGGERS = Registry(
    "LOGGERS.USE",
    {
        "csv": "rhovideo.engine.loggers.csv_logger:CsvLogger",
        "tensorboard": "rhovideo.engine.loggers.tensorboard:TensorBoardLogger",
        "wandb": "rhovideo.engine.loggers.wandb_logger:WandbLogger",
        "mlflow": "rhovideo.engine.loggers.mlflow_logger:MlflowLogger",
    },
)


def lists_itself(cfg: CfgNode) -> bool:
    """True if TRAIN.DATASET needs no list of videos with labels: a registered one, or ava, which lists key frames."""
    dataset: str = cfg.TRAIN.DATASET
    return dataset in DATASETS and (not DATASETS.is_builtin(dataset) or reads_boxes(cfg))


def reads_boxes(cfg: CfgNode) -> bool:
    """True if the data set is one of key frames with boxes (TRAIN.DATASET ava)."""
    return bool(cfg.TRAIN.DATASET.lower() == BOXES)


_BuildMethod = TypeVar("_BuildMethod", bound="Callable[[CfgNode, nn.Module], nn.Module]")
_BuildBackbone = TypeVar("_BuildBackbone", bound="Callable[[CfgNode], nn.Module]")
_BuildLogger = TypeVar("_BuildLogger", bound="Callable[[Any], Any]")
_OpenDataset = TypeVar("_OpenDataset", bound="Callable[[CfgNode, str], VideoList]")


@overload
def register_method(name: str) -> Callable[[_BuildMethod], _BuildMethod]: ...
@overload
def register_method(name: str, build: _BuildMethod) -> _BuildMethod: ...
def register_method(name: str, build: Any = None) -> Any:
    """Add a self-supervised method, for CONTRASTIVE.TYPE; also as a decorator, ``@register_method("vicreg")``.

    Args:
        name: what CONTRASTIVE.TYPE will hold.
        build: ``build(cfg, encoder)``, which returns an ``nn.Module`` with the names of
            :class:`rhovideo.ssl.interface.Method`. ``encoder`` is the network that MODEL.ARCH names, which maps clips
            [N, 3, T, H, W] to features [N, encoder.dim].

    Raises:
        ValueError: the name is taken.
    """
    return _registered(METHODS, name, build)


@overload
def register_backbone(name: str) -> Callable[[_BuildBackbone], _BuildBackbone]: ...
@overload
def register_backbone(name: str, build: _BuildBackbone) -> _BuildBackbone: ...
def register_backbone(name: str, build: Any = None) -> Any:
    """Add an encoder, for MODEL.ARCH; also as a decorator, ``@register_backbone("tiny")``.

    Args:
        name: what MODEL.ARCH will hold.
        build: ``build(cfg)``, which returns an ``nn.Module`` that maps clips [N, 3, T, H, W], normalised, to features
            [N, C], with the attribute ``dim``, which is C.

    Raises:
        ValueError: the name is taken.
    """
    return _registered(BACKBONES, name, build)


@overload
def register_dataset(name: str) -> Callable[[_OpenDataset], _OpenDataset]: ...
@overload
def register_dataset(name: str, build: _OpenDataset) -> _OpenDataset: ...
def register_dataset(name: str, build: Any = None) -> Any:
    """Add a data set that lists and reads its own videos, for TRAIN.DATASET; also as a decorator.

    Args:
        name: what TRAIN.DATASET will hold, in small letters.
        build: ``build(cfg, split)``, which returns the videos of the split "train", "val" or "test": a
            :class:`rhovideo.data.VideoList`, or anything with the same names.

    Raises:
        ValueError: the name is taken.
    """
    return _registered(DATASETS, name, build)


@overload
def register_logger(name: str) -> Callable[[_BuildLogger], _BuildLogger]: ...
@overload
def register_logger(name: str, build: _BuildLogger) -> _BuildLogger: ...
def register_logger(name: str, build: Any = None) -> Any:
    """Add a logger of trainings, for LOGGERS.USE; also as a decorator, ``@register_logger("lab")``.

    Args:
        name: what LOGGERS.USE will hold.
        build: ``build(run)``, called in a thread of rank 0, which returns an object with the methods of
            ``rhovideo.engine.loggers.protocol.RunLogger``. ``run`` is a ``LoggedRun`` of the same module. What it
            raises ends this logger with a warning, and never the run.

    Raises:
        ValueError: the name is taken.
    """
    return _registered(LOGGERS, name, build)


def _registered(registry: Registry, name: str, build: _Builder | None) -> Any:
    if build is not None:
        return registry.register(name, build)
    return lambda decorated: registry.register(name, decorated)
