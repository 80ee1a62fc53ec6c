from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhovideo.data.lists.any_list import open_any_list
from rhovideo.data.lists.csv_parsing import read_rows
from rhovideo.data.lists.manifest import Manifest, ManifestError


def opened(tmp_path: Path, content: bytes | str, name: str = "train.csv", **keys) -> Manifest:
    csv = tmp_path / name
    csv.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Manifest.open(csv, cache_dir=tmp_path / "cache", **keys)


def rows(manifest: Manifest) -> list[tuple[str, int, int]]:
    return [(manifest.path(i), manifest.label(i), manifest.line(i)) for i in range(len(manifest))]


def test_paths_labels_and_lines(tmp_path):
    manifest = opened(tmp_path, "a.mp4 3\n\n  \t\nsub/b.mp4 0\n/abs/c.mp4 12")
    base = str(tmp_path)
    assert rows(manifest) == [(f"{base}/a.mp4", 3, 1), (f"{base}/sub/b.mp4", 0, 4), ("/abs/c.mp4", 12, 5)]
    assert manifest.has_labels
    assert manifest.num_classes == 13
    assert manifest.labels.dtype == np.int64
    assert manifest.labels.tolist() == [3, 0, 12]


def test_without_labels(tmp_path):
    manifest = opened(tmp_path, "a.mp4\nmy holiday 2014.MP4\nb\n")
    assert [Path(path).name for path, _, _ in rows(manifest)] == ["a.mp4", "my holiday 2014.MP4", "b"]
    assert not manifest.has_labels
    assert manifest.num_classes == 0
    assert manifest.labels.tolist() == [-1, -1, -1]


def test_label_minus_one_means_none(tmp_path):
    manifest = opened(tmp_path, "a b.xyz -1\nc.mp4 -1\n")
    assert [Path(path).name for path, _, _ in rows(manifest)] == ["a b.xyz", "c.mp4"]
    assert not manifest.has_labels


@pytest.mark.parametrize(
    ("separator", "text", "name", "label"),
    [
        (" ", "my  video .mp4  7  ", "my  video .mp4", 7),
        (",", "my, video 5.mp4 , 7", "my, video 5.mp4", 7),
        ("\t", "my video 5.mp4\t7", "my video 5.mp4", 7),
        ("::", "a:b::c.mp4::7", "a:b::c.mp4", 7),
        ("::", ":c.mp4:::7", ":c.mp4:", 7),
        (" ", "clip 5 7", "clip 5", 7),
        (" ", "000 0000000007", "000", 7),
    ],
)
def test_spaces_and_separators(tmp_path, separator, text, name, label):
    assert rows(opened(tmp_path, text, separator=separator)) == [(f"{tmp_path}/{name}", label, 1)]


def test_byte_order_mark_crlf_and_undecodable_names(tmp_path):
    manifest = opened(tmp_path, b"\xef\xbb\xbfa.mp4 1\r\n\r\n\xff\xe9.mp4 2\r\n")
    assert [os.fsencode(path) for path, _, _ in rows(manifest)] == [
        os.fsencode(tmp_path) + b"/a.mp4",
        os.fsencode(tmp_path) + b"/\xff\xe9.mp4",
    ]


def test_prefix_and_skipped_rows(tmp_path):
    manifest = opened(tmp_path, "header of no use\n\na.mp4 1\n/b.mp4 0\n", prefix="/videos", skip_rows=2)
    assert rows(manifest) == [("/videos/a.mp4", 1, 3), ("/b.mp4", 0, 4)]
    assert opened(tmp_path, "a.mp4 1\n", prefix="/other").path(0) == "/other/a.mp4"


@pytest.mark.parametrize(
    ("content", "keys", "said"),
    [
        ("a.mp4 1\nb.mp4\n", {}, ["line 2", "'b.mp4' has no label", "line 1"]),
        ("a.mp4\n\nb.mp4 1\n", {}, ["line 3", "has a label", "line 1"]),
        ("a.mp4 1\nb.mp4 run\n", {}, ["line 2", "b.mp4 run", "whole number", "DATA.PATH_LABEL_SEPARATOR"]),
        ("a.mp4 1.5\n", {}, ["line 1", "whole number"]),
        ("a.mp4 2147483648\n", {}, ["line 1", "2147483647"]),
        ("a.mp4,3\nb.mp4,4\n", {}, ["line 1", "set DATA.PATH_LABEL_SEPARATOR to ','"]),
        ("a.mp4\t3\n", {}, ["line 1", r"DATA.PATH_LABEL_SEPARATOR to '\t'"]),
        (",3\n", {"separator": ","}, ["line 1", "path is empty"]),
        ("a.mp4 1\rb.mp4 2\r", {}, ["line 1", "carriage return"]),
        ("", {}, ["lists no video", "path label"]),
        ("\n \n", {}, ["lists no video"]),
        ("a.mp4 1\n", {"skip_rows": 1}, ["lists no video", "DATA.SKIP_ROWS"]),
        (b"\xff\xfea\0", {}, ["UTF-16"]),
        (b"RIFF\0\0", {}, ["zero bytes"]),
        ("a.mp4 1\n", {"separator": ""}, ["DATA.PATH_LABEL_SEPARATOR"]),
    ],
)
def test_errors_name_file_line_and_remedy(tmp_path, content, keys, said):
    with pytest.raises(ManifestError) as error:
        opened(tmp_path, content, **keys)
    for part in said:
        assert part in str(error.value)
    if keys != {"separator": ""}:
        assert str(tmp_path / "train.csv") in str(error.value)
    leftovers = [path for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"]
    assert leftovers == []


@pytest.mark.parametrize("open_it", [Manifest.open, open_any_list])
def test_pipe_is_refused_and_not_waited_for(tmp_path, open_it):
    os.mkfifo(tmp_path / "list.csv")
    with pytest.raises(ManifestError, match="is a pipe or device: write"):
        open_it(tmp_path / "list.csv")


def test_missing_csv_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="rhovideo index"):
        Manifest.open(tmp_path / "train.csv")


NAME = st.text(st.sampled_from("ab .,é7-"), min_size=1, max_size=12).map(str.strip).filter(bool)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NAME, st.integers(0, 2**31 - 1)), min_size=1, max_size=30),
    st.sampled_from([" ", ",", "\t", ", "]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 50),
)
def test_parsing_equals_a_plain_loop_whatever_the_block_size(entries, separator, end, block_bytes):
    text = end.join(f"{name}{separator}{label}" for name, label in entries)
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder, "list.csv")
        csv.write_bytes(text.encode())
        parts = list(read_rows(csv, separator, 0, block_bytes))
    found, labels = [], []
    for part in parts:
        blob, start = part.paths.tobytes(), 0
        for length in part.lengths:
            found.append(blob[start : start + length].decode())
            start += length
        labels += part.labels.tolist()
    expected = [line.strip().rpartition(separator) for line in text.splitlines()]
    assert found == [path.strip() for path, _, _ in expected]
    assert labels == [int(label) for _, _, label in expected]


def test_packed_once_and_pickled_by_name(tmp_path):
    manifest = opened(tmp_path, "".join(f"video{i}.mp4 {i % 7}\n" for i in range(5000)))
    (packed,) = (tmp_path / "cache").glob("*.manifest")
    inode = packed.stat().st_ino
    again = Manifest.open(tmp_path / "train.csv", cache_dir=tmp_path / "cache")
    assert packed.stat().st_ino == inode
    pickled = pickle.dumps(manifest)
    assert len(pickled) < 400
    assert rows(pickle.loads(pickled)) == rows(again) == rows(manifest)


def test_changed_csv_is_packed_again(tmp_path):
    first = opened(tmp_path, "a.mp4 1\n")
    second = opened(tmp_path, "b.mp4 2\n")
    assert Path(first.path(0)).name == "a.mp4"
    assert Path(second.path(0)).name == "b.mp4"


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:20], lambda data: b"", lambda data: b"x" * 300]
)
def test_damaged_packed_file_is_rebuilt(tmp_path, damage):
    opened(tmp_path, "a.mp4 1\nb.mp4 0\n")
    (packed,) = (tmp_path / "cache").glob("*.manifest")
    packed.write_bytes(damage(packed.read_bytes()))
    assert Manifest.open(tmp_path / "train.csv", cache_dir=tmp_path / "cache").labels.tolist() == [1, 0]


def test_removed_packed_file_is_named_when_a_worker_needs_it(tmp_path):
    manifest = opened(tmp_path, "a.mp4 1\n")
    pickled = pickle.dumps(manifest)
    next((tmp_path / "cache").glob("*.manifest")).unlink()
    assert manifest.label(0) == 1
    with pytest.raises(FileNotFoundError, match=r"DATA\.MANIFEST_CACHE"):
        pickle.loads(pickled)


def test_unusable_cache_folder_is_an_error_that_names_the_key(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "train.csv").write_text("a.mp4 1\n")
    with pytest.raises(ManifestError, match=r"DATA\.MANIFEST_CACHE"):
        Manifest.open(tmp_path / "train.csv", cache_dir=tmp_path / "file" / "cache")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody can write to")
def test_unwritable_cache_folder_is_an_error_that_names_the_key(tmp_path):
    (tmp_path / "train.csv").write_text("a.mp4 1\n")
    with pytest.raises(ManifestError, match=r"DATA\.MANIFEST_CACHE"):
        Manifest.open(tmp_path / "train.csv", cache_dir="/proc/self")


def test_default_cache_is_private_to_the_user(tmp_path):
    (tmp_path / "train.csv").write_text("a.mp4 1\n")
    code = "from rhovideo.data.lists.manifest import Manifest; import sys; print(Manifest.open(sys.argv[1]).label(0))"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "train.csv")], env=environment, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"1"
    (folder,) = tmp_path.glob("rhovideo-manifests-*")
    assert folder.stat().st_mode & 0o077 == 0


def _open_and_report(csv: str, cache: str, start, queue) -> None:
    start.wait()
    manifest = Manifest.open(csv, cache_dir=cache)
    (packed,) = Path(cache).glob("*.manifest")
    queue.put((int(manifest.labels.sum()), packed.stat().st_ino))


def test_processes_that_start_together_share_one_packed_file(tmp_path):
    csv = tmp_path / "train.csv"
    csv.write_text("".join(f"folder/video{i}.mp4 {i % 10}\n" for i in range(100_000)))
    context = multiprocessing.get_context("fork")
    start, queue = context.Event(), context.Queue()
    arguments = (str(csv), str(tmp_path / "cache"), start, queue)
    processes = [context.Process(target=_open_and_report, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    start.set()
    reports = [queue.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    assert {total for total, _ in reports} == {450_000}
    assert len({inode for _, inode in reports}) == 1


def test_index_out_of_range(tmp_path):
    manifest = opened(tmp_path, "a.mp4 1\n")
    with pytest.raises(IndexError):
        manifest.path(1)
    with pytest.raises(IndexError):
        manifest.label(-1)


def numbered(tmp_path, count):
    """A manifest of which each row is known: video i has the label i and stands on line i + 1."""
    return opened(tmp_path, "".join(f"video{i}.mp4 {i}\n" for i in range(count)))


def wrong_rows(manifest, rng):
    """How many of many random rows are not as :func:`numbered` has them."""
    return sum(row(manifest, i) != (f"video{i}.mp4", i, i + 1) for i in rng.integers(len(manifest), size=3000).tolist())


def row(manifest, index):
    return Path(manifest.path(index)).name, manifest.label(index), manifest.line(index)


def test_threads_and_forked_processes_read_one_manifest_at_once(tmp_path):
    manifest = numbered(tmp_path, 5000)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def child(seed):
        queue.put(wrong_rows(manifest, np.random.default_rng(seed)))

    processes = [context.Process(target=child, args=(seed,)) for seed in range(3)]
    for process in processes:
        process.start()
    with ThreadPoolExecutor(4) as threads:
        wrong = list(threads.map(lambda seed: wrong_rows(manifest, np.random.default_rng(seed)), range(10, 18)))
    assert sum(wrong) + sum(queue.get(timeout=30) for _ in processes) == 0
    for process in processes:
        process.join()
    # What ends in a child leaves the file open here.
    assert wrong_rows(manifest, np.random.default_rng(0)) == 0


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in Linux's /proc")
def test_no_file_stays_open_after_a_manifest(tmp_path):
    manifest = numbered(tmp_path, 10)
    pickled = pickle.dumps(manifest)
    damaged = tmp_path / "damaged.manifest"
    damaged.write_bytes(b"x" * 300)
    before = os.listdir("/proc/self/fd")
    for _ in range(20):
        assert len(pickle.loads(pickled)) == 10
        with pytest.raises(ManifestError):
            Manifest(damaged)
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into Linux's /proc")
def test_rows_are_no_memory_of_the_process(tmp_path):
    manifest = numbered(tmp_path, 1000)
    assert wrong_rows(manifest, np.random.default_rng(0)) == 0
    (packed,) = (tmp_path / "cache").glob("*.manifest")
    assert str(packed) not in Path("/proc/self/maps").read_text()
    arrays = [value for value in vars(manifest).values() if isinstance(value, (bytes, memoryview, np.ndarray))]
    assert arrays == []


def test_a_file_that_is_cut_short_in_use_is_an_error_that_names_it(tmp_path):
    manifest = numbered(tmp_path, 1000)
    (packed,) = (tmp_path / "cache").glob("*.manifest")
    os.truncate(packed, 100)
    with pytest.raises(ManifestError, match="cut short"):
        manifest.path(999)


def test_labels_of_many_rows_are_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("rhovideo.data.lists.manifest._LABELS_AT_A_TIME", 7)
    assert numbered(tmp_path, 40).labels.tolist() == list(range(40))


def test_a_list_of_the_same_size_and_time_is_packed_again(tmp_path):
    csv = tmp_path / "train.csv"
    for label in (1, 2):
        csv.write_text(f"a.mp4 {label}\n")
        os.utime(csv, (1, 1))
        assert Manifest.open(csv, cache_dir=tmp_path / "packed").label(0) == label
