"""The folder in which torchcodec finds the FFmpeg of PyAV's wheel."""

import pytest

from benchmarks.peers import ffmpeg_libraries
from benchmarks.peers.ffmpeg_libraries import folder_of_names


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RHOVIDEO_BENCH_CACHE", str(tmp_path))
    folder = folder_of_names()
    if folder is None:
        pytest.skip("PyAV comes without libraries here")
    return folder


def test_only_links_that_are_wrong_are_made_anew(folder):
    """Another program may load a library just then."""
    before = {path.name: path.lstat().st_mtime_ns for path in folder.iterdir()}
    assert {name.split(".")[0] for name in before} == {f"lib{name}" for name in ffmpeg_libraries._WANTED}
    assert all(path.resolve().is_file() for path in folder.iterdir())
    wrong = sorted(before)[0]
    (folder / wrong).unlink()
    (folder / wrong).symlink_to("elsewhere.so")
    before.pop(wrong)
    assert folder_of_names() == folder
    after = {path.name: path.lstat().st_mtime_ns for path in folder.iterdir()}
    assert (folder / wrong).resolve().is_file()
    after.pop(wrong)
    assert after == before
