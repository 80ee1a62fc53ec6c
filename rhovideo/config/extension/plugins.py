"""PLUGINS: modules from outside of the package, which register methods, encoders, data sets and keys when imported.

A module is found where Python finds any (installed, or in PYTHONPATH), else next to the YAML file that names it, else
in the current folder. Processes of the same job import it by its name: those that are started here have the same path,
and SLURM's get a copy of the module in the job's copy of the code (:mod:`rhovideo.launch.slurm.code_snapshot`).
"""

from __future__ import annotations

import importlib
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from rhovideo.errors import JobError

KEY = "PLUGINS"
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
# The folders that were put on Python's path because a plugin lies there.
_folders: list[Path] = []


class PluginError(JobError):
    """A plugin that cannot be imported.

    Attributes:
        module: its name.
        wrong: what is wrong with it.
        write: what to write.
        key: the key that names it.
    """

    key = KEY

    def __init__(self, module: str, wrong: str, write: str) -> None:
        super().__init__(f"{KEY}: {module} {wrong}: write {write}")
        self.module, self.wrong, self.write = module, wrong, write

    def __reduce__(self) -> tuple[type[PluginError], tuple[str, str, str]]:
        return type(self), (self.module, self.wrong, self.write)


def import_plugins(names: Iterable[str], beside: Path | None) -> None:
    """Import the plugins that a configuration names.

    Args:
        names: of modules.
        beside: the folder of the file that names them; None: they were named on the command line.

    Raises:
        PluginError: one cannot be imported, or another module of this name was.
    """
    places = [folder.absolute() for folder in (beside, Path.cwd()) if folder is not None]
    for name in names:
        if not _NAME.fullmatch(name) or name.endswith(".py"):
            meant = ".".join(Path(name.removesuffix(".py")).parts)
            remedy = meant if name.endswith(".py") and _NAME.fullmatch(meant) else "a name such as my_package.my_method"
            raise PluginError(name, "is no name of a module", remedy)
        _make_found(name, places)
        module = _import(name)
        expected = next((file for place in places for file in _files_of(name, place) if file.is_file()), None)
        if expected and not _is_file(module, expected):
            wrong = f"is {getattr(module, '__file__', 'built in')}, and not {expected}"
            raise PluginError(name, wrong, "another name for one of the two files")


def import_in_job(names: Iterable[str]) -> None:
    """Import the plugins in a process of a job, which has the path of the process that has checked them.

    Raises:
        PluginError: one cannot be imported here.
    """
    for name in names:
        _import(name)


def import_from_checkpoint(names: Iterable[str]) -> list[PluginError]:
    """Import the plugins that a checkpoint names, as far as that is possible.

    A file from anywhere must not start any program that lies around: a module is imported only if its text speaks of
    rhovideo.

    Returns:
        Why others were not.
    """
    errors = []
    for name in names:
        try:
            if name not in sys.modules:
                _make_found(name, [Path.cwd()])
                _check_speaks_of_us(name)
            _import(name)
        except PluginError as error:
            errors.append(error)
    return errors


def local_sources(names: Iterable[str]) -> list[Path]:
    """The files and package folders, of imported plugins, that lie next to a YAML file or in the current folder.

    Python finds all others by itself, in any process.
    """
    tops = dict.fromkeys(name.partition(".")[0] for name in names)
    found = (path for top in tops for folder in _folders for path in (folder / f"{top}.py", folder / top))
    return [path for path in found if path.exists() and _is_below(sys.modules.get(path.stem), path)]


def plugin_folders() -> list[str]:
    """The folders that were put on Python's path because a plugin lies there."""
    return [str(folder) for folder in _folders]


def look_in(folders: Sequence[str]) -> None:
    """Let Python find modules in these folders too, after all others."""
    sys.path += [folder for folder in folders if folder not in sys.path]


def _make_found(name: str, places: Iterable[Path]) -> None:
    top = name.partition(".")[0]
    for place in places:
        if (place / f"{top}.py").is_file() or (place / top).is_dir():
            look_in([str(place)])
            if place not in _folders:
                _folders.append(place)
    # The file may be younger than what Python remembers of its folder.
    importlib.invalidate_caches()


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise _explained(name, error) from error


def _explained(name: str, error: BaseException) -> PluginError:
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
        where = f"in {Path.cwd()}, next to the file that names it, in PYTHONPATH or installed"
        return PluginError(name, f"is not there ({said})", f"the name of a module {where}")
    # The import itself is no place either: of a SyntaxError, the text says where it is.
    ours = str(Path(__file__).parents[2]), str(importlib.__file__), "<"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(ours)]
    at = f"{frames[-1].filename}, line {frames[-1].lineno}: " if frames else ""
    wrong = f"cannot be imported: {at}{type(error).__name__}: {said}"
    return PluginError(name, wrong, "a module that can be imported, or leave it out")


def _files_of(name: str, folder: Path) -> tuple[Path, Path]:
    path = folder.joinpath(*name.split("."))
    return path.with_name(f"{path.name}.py"), path / "__init__.py"


def _is_file(module: ModuleType, file: Path) -> bool:
    own = getattr(module, "__file__", None)
    return own is not None and Path(own).resolve() == file.resolve()


def _is_below(module: ModuleType | None, path: Path) -> bool:
    """True if a top-level module is this file, or has this folder."""
    if module is None:
        return False
    folders = [Path(folder).resolve() for folder in getattr(module, "__path__", [])]
    return _is_file(module, path) or path.resolve() in folders


def _check_speaks_of_us(name: str) -> None:
    """Raise a PluginError unless the module's text, which is not run for it, holds the word rhovideo."""
    parts = name.split(".")
    path: Sequence[str] | None = None
    origin = None
    for count in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:count]), path)
        if spec is None:
            return  # the import gives a better error
        path, origin = spec.submodule_search_locations, spec.origin
    text = Path(origin).read_bytes() if origin and origin.endswith(".py") else b""
    if b"rhovideo" not in text:
        wrong = "is named by a checkpoint, and its text does not speak of rhovideo, so it was not imported"
        raise PluginError(name, wrong, "`import` in front, if you trust it")
