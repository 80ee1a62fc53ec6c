"""The browser that opens pages in tests sees what a reader would miss."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import open_page


def test_a_script_error_a_hidden_section_and_a_missing_picture_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><section id=shown>text</section><section id=hidden hidden>text</section>"
        "<img src=missing.png><script>document.title = 'ran'; nothing.here()</script>"
    )
    opened = open_page(page, tmp_path)
    assert "<title>ran</title>" in opened.dom
    assert opened.heights["shown"] > 0
    assert opened.heights["hidden"] == 0
    assert any("nothing is not defined" in line for line in opened.errors)
    assert opened.broken_images == ["missing.png"]


def test_a_page_without_faults_has_no_errors(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><section id=shown>text</section><script>document.title = 'ran'</script>")
    opened = open_page(page, tmp_path)
    assert opened.errors == []
    assert opened.broken_images == []


def test_a_missing_chromium_fails_where_it_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html>")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RHOVIDEO_REQUIRE_CHROMIUM", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        open_page(page, tmp_path)
    monkeypatch.delenv("RHOVIDEO_REQUIRE_CHROMIUM")
    with pytest.raises(pytest.skip.Exception):
        open_page(page, tmp_path)
