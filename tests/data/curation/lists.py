"""Lists of real little videos for the tests of `rhovideo data`."""

from __future__ import annotations

from pathlib import Path

from tests.videos import write_broken_video, write_video

# Names that lists must keep, each with frames, frames a second and size.
VIDEOS = {
    "plain.mp4": (30, 30, (64, 48)),
    "with blanks in it.mp4": (60, 30, (64, 48)),
    "-dash at the start.mp4": (24, 12, (48, 64)),
    "ünï cödé.mkv": (50, 25, (96, 80)),
    "quote' and \".mp4": (90, 30, (64, 48)),
    "sub folder/deep.mp4": (120, 60, (128, 96)),
}
SECONDS = {name: frames / fps for name, (frames, fps, _) in VIDEOS.items()}


def write_videos(folder: Path) -> Path:
    """Write the videos, one that is no video and one that is cut off; ``gone.mp4`` is not there."""
    for seed, (name, (frames, fps, size)) in enumerate(VIDEOS.items()):
        write_video(folder / name, num_frames=frames, fps=fps, size=size, seed=seed)
    write_broken_video(folder / "broken.mp4")
    return folder


def write_list(csv: Path, names: list[str], labels: list[int] | None = None, separator: str = " ") -> Path:
    csv.parent.mkdir(parents=True, exist_ok=True)
    rows = names if labels is None else [f"{name}{separator}{k}" for name, k in zip(names, labels, strict=True)]
    csv.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return csv
