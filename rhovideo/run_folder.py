"""Names of what lies in a run folder. Without torch, so that launchers and onlookers can use them."""

from __future__ import annotations

import os
import re
from pathlib import Path

_NAME = re.compile(r"checkpoint_epoch_(\d{5})(?:_step_(\d{7}))?\.pyth")


def checkpoint_folder(output_dir: str | Path) -> Path:
    return Path(output_dir) / "checkpoints"


def list_checkpoints(output_dir: str | Path) -> list[Path]:
    """All checkpoints of a run, the furthest first, verified or not."""
    found = [(_position(path), path) for path in checkpoint_folder(output_dir).glob("checkpoint_epoch_*.pyth")]
    return [path for position, path in sorted(found, reverse=True) if position != (-1, -1)]


def progress(output_dir: str | Path) -> tuple[int, int]:
    """Complete epochs, and complete steps of the next one, of the furthest checkpoint; (0, 0) without any."""
    found = list_checkpoints(output_dir)
    return _position(found[0]) if found else (0, 0)


def _position(path: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2] or 0)) if match else (-1, -1)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
