"""Empty files, and lists as training reads them."""

from __future__ import annotations

from pathlib import Path

from rhovideo.data.lists.manifest import Manifest


def touch(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def entries(csv: Path, tmp_path: Path) -> list[tuple[str, int]]:
    """The list as training reads it, with every default."""
    if not csv.read_bytes():
        return []
    manifest = Manifest.open(csv, cache_dir=tmp_path / "cache")
    return [(manifest.path(i), manifest.label(i)) for i in range(len(manifest))]
