from __future__ import annotations

import pytest

from rhovideo.cli import main


@pytest.mark.parametrize("words", [["--train", "-5"], ["--val", "-1"], ["--train", "0"], ["--classes", "0"]])
def test_synthetic_refuses_a_number_of_videos_that_cannot_be(tmp_path, capsys, words):
    assert main(["synthetic", str(tmp_path / "set"), *words]) == 2
    assert "write 1" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
