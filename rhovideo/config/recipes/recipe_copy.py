"""A recipe as one whole file to edit: its own settings and those that it builds on, with their comments."""

from __future__ import annotations

from pathlib import Path

from rhovideo.config.files.yaml_settings import Setting, read_file
from rhovideo.config.findings import ConfigError, Problem

# The paragraph of a recipe's comment that names what its user must write.
_TO_BE_GIVEN = "To be given"


def whole_text(recipe: Path, output_dir: str) -> str:
    """The recipe's settings without a ``_BASE_``, so that a later version of the package does not change them.

    Args:
        recipe: the recipe's file.
        output_dir: the copy's OUTPUT_DIR: two files that differ must not write to the same folder.

    Returns:
        The text of a configuration.

    Raises:
        ConfigError: the recipe cannot be read.
    """
    problems: list[Problem] = []
    settings = read_file(recipe, problems, [])
    if problems:
        raise ConfigError(problems)
    files = {file: Path(file).read_text(encoding="utf-8").splitlines() for file in _files(settings)}
    sections: dict[str, list[str]] = {}
    for key, setting in settings.items():
        section = key.rpartition(".")[0]
        lines = _lines(files[setting.origin.file], setting.origin.line)
        sections.setdefault(section, []).extend([f"OUTPUT_DIR: {output_dir}"] if key == "OUTPUT_DIR" else lines)
    top = sections.pop("", [])
    body = [line for section, lines in sections.items() for line in (f"{section}:", *lines)]
    return "\n".join([*_heading(recipe, files), *top, *body]) + "\n"


def _files(settings: dict[str, Setting]) -> list[str]:
    return list(dict.fromkeys(setting.origin.file for setting in settings.values()))


def _lines(text: list[str], number: int) -> list[str]:
    """The line of a key, counted from 1, after the comment above it; the comment at a file's top is not a key's."""
    first = number - 1
    while first > 0 and text[first - 1].lstrip().startswith("#"):
        first -= 1
    return text[number - 1 : number] if first == 0 else text[first:number]


def _heading(recipe: Path, files: dict[str, list[str]]) -> list[str]:
    """The recipe's own comment, and what its bases say has to be given."""
    own = _comment(recipe.read_text(encoding="utf-8").splitlines())
    given = []
    for text in files.values():
        paragraphs = "\n".join(_comment(text)).split("\n#\n")
        given += [part.split("\n") for part in paragraphs if part.startswith(f"# {_TO_BE_GIVEN}")]
    missing = [line for part in given if part[0] not in own for line in ("#", *part)]
    return [*own, *missing]


def _comment(text: list[str]) -> list[str]:
    """The lines of the comment at the top of a file."""
    end = next((place for place, line in enumerate(text) if not line.startswith("#")), len(text))
    return text[:end]
