"""Downloading, from a real server on this machine."""

from __future__ import annotations

import pickle
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rhovideo.errors import WeightsError
from rhovideo.zoo import sources
from rhovideo.zoo.catalogue import entry_named
from rhovideo.zoo.files.checkpoint_files import read_weights
from rhovideo.zoo.sources import discard_download, local_path

CONTENT = bytes(range(256)) * 100


class Server:
    """Serves CONTENT at /folder/whole.pyth, half of it at /half.pyth, HTML at /page.pyth, silence at /silent.pyth."""

    def __init__(self):
        self.asked: list[str] = []
        self.repaired = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                if "missing" in self.path:
                    self.send_error(404, "Not Found")
                    return
                if "page" in self.path:
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(b"<!DOCTYPE html><title>Please log in</title>")
                    return
                if "silent" in self.path:
                    outer.ended.wait(20)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
                half = "half" in self.path and not outer.repaired
                self.wfile.write(CONTENT[: len(CONTENT) // 2] if half else CONTENT)

            def log_message(self, *_):
                pass

        self.ended = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def close(self):
        self.ended.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RHOVIDEO_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def refusal(source: str | Path) -> str:
    with pytest.raises(WeightsError) as caught:
        local_path(source)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(source))
    return str(caught.value)


def test_a_path_and_a_file_url_are_taken_as_they_are(tmp_path):
    file = tmp_path / "a b.pyth"
    file.write_bytes(CONTENT)
    assert local_path(file) == local_path(str(file)) == local_path(file.as_uri()) == file
    assert "no such file" in refusal(tmp_path / "other.pyth")
    assert "no such file" in refusal((tmp_path / "other.pyth").as_uri())
    assert "is a folder" in refusal(tmp_path)


def test_an_url_is_downloaded_once_into_the_cache(server, cache):
    found = local_path(f"{server.url}/folder/whole.pyth")
    assert found.read_bytes() == CONTENT
    assert found.is_relative_to(cache)
    assert local_path(f"{server.url}/folder/whole.pyth") == found
    assert server.asked == ["/folder/whole.pyth"]
    found.unlink()
    assert local_path(f"{server.url}/folder/whole.pyth").read_bytes() == CONTENT


def test_half_a_download_never_counts_as_the_file(server, cache):
    url = f"{server.url}/half.pyth"
    assert "cannot be downloaded" in refusal(url)
    assert not [path for path in cache.rglob("*half*") if path.suffix != ".lock"]
    server.repaired = True
    assert local_path(url).read_bytes() == CONTENT


def test_a_web_page_in_the_place_of_a_file_is_refused_and_not_kept(server, cache):
    for _ in range(2):
        with pytest.raises(WeightsError, match=r"is a web page and no checkpoint.* The download was removed"):
            read_weights(f"{server.url}/page.pyth")
    assert server.asked == ["/page.pyth"] * 2
    assert not list(cache.rglob("page.pyth"))


def test_a_download_that_would_run_code_is_kept_for_whoever_wants_to_know(server, cache, monkeypatch):
    """It is all there: to get it again would change nothing."""
    data = pickle.dumps({"model_state": threading.Thread}, protocol=2)
    monkeypatch.setitem(globals(), "CONTENT", data)
    with pytest.raises(WeightsError, match=r"holds threading.Thread, .*could run code.*'new.pyth'\)$"):
        read_weights(f"{server.url}/whole.pyth")
    assert [path.read_bytes() for path in cache.rglob("whole.pyth")] == [data]


def test_errors_of_the_network_say_what_to_do(server, monkeypatch):
    assert "404" in refusal(f"{server.url}/missing.pyth")
    monkeypatch.setattr(sources, "PATIENCE", 0.3)
    assert "write its path instead" in refusal(f"{server.url}/silent.pyth")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "get weights.pyth on a machine that can" in refusal(f"http://127.0.0.1:{port}/a/weights.pyth")
    assert socket.getdefaulttimeout() is None


def test_short_names(server, tmp_path, monkeypatch):
    entry = entry_named("byol_slow_r50_8x8_rho4")
    moved = f"{server.url}/folder/{entry.file}"
    monkeypatch.setattr("rhovideo.zoo.catalogue.RELEASED_AT", f"{server.url}/folder")
    monkeypatch.setattr(
        sources, "entry_named", lambda name: type(entry)("byol", 4, 8, 8) if name == entry.name else None
    )
    assert local_path(entry.name).name == entry.file
    assert server.asked == [moved.removeprefix(server.url)]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert f"write {entry.name} to download" in refusal(entry.file)
    assert f"did you mean {entry.name}?" in refusal("byol_slow_r50_8x8_ro4")
    assert "the names are moco_slow_r50_8x8_rho2, " in refusal("resnet")
    (tmp_path / entry.name).write_bytes(CONTENT)
    assert local_path(entry.name) == Path(entry.name)


def test_only_downloads_are_discarded(server, tmp_path):
    own = tmp_path / "own.pyth"
    own.write_bytes(CONTENT)
    download = local_path(f"{server.url}/whole.pyth")
    assert discard_download(download)
    assert not download.exists()
    assert not discard_download(own)
    assert own.exists()


def test_a_cache_that_cannot_be_written_to(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RHOVIDEO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(WeightsError, match=r"set \$RHOVIDEO_CACHE"):
        local_path(f"{server.url}/whole.pyth")


def test_other_schemes_need_a_handler():
    assert "register a handler" in refusal("s3://bucket/weights.pyth")
