"""The data sets of miniatures: made once, made anew where something is missing, and by one command at a time."""

import threading

import pytest

from rhovideo.cli import main
from rhovideo.errors import JobError
from rhovideo.runs.lock import held_to_write
from rhovideo.studies.miniature import data


@pytest.fixture
def written(monkeypatch):
    """The folders into which a set of two lists was written."""
    folders = []

    def write(folder):
        (folder / "split1").mkdir()
        for name in ("train.csv", "split1/val.csv"):
            (folder / name).write_text("a.mp4 0\n")
        folders.append(folder)

    monkeypatch.setitem(data.NAMES, "Tiny", write)
    return folders


def test_a_set_is_made_once_and_anew_where_a_file_is_missing(tmp_path, written):
    for times, missing in ((1, ""), (2, "train.csv"), (3, "split1/val.csv"), (4, "miniature.json")):
        if missing:
            (tmp_path / "Tiny" / missing).unlink()
        for _ in range(2):
            assert data.write_data(tmp_path, ["Tiny"]) == {"Tiny": tmp_path / "Tiny"}
            assert len(written) == times
        assert (tmp_path / "Tiny/split1/val.csv").is_file()


@pytest.mark.parametrize("receipt", ["", "[]", '{"version": 2}', '{"version": "2", "files": []}', '{"version": 1}'])
def test_a_set_whose_receipt_is_damaged_or_of_an_earlier_version_is_made_anew(tmp_path, written, receipt):
    data.write_data(tmp_path, ["Tiny"])
    (tmp_path / "Tiny/miniature.json").write_text(receipt)
    data.write_data(tmp_path, ["Tiny"])
    assert len(written) == 2


def test_two_commands_write_one_after_the_other(tmp_path, written):
    other = threading.Thread(target=data.write_data, args=(tmp_path, ["Tiny"]))
    with held_to_write(tmp_path):
        other.start()
        other.join(0.5)
        assert other.is_alive()
        assert not written
    other.join(60)
    assert len(written) == 1


def test_a_place_that_cannot_be_written_to_is_named(tmp_path, written):
    (tmp_path / "file").touch()
    with pytest.raises(JobError, match="file/data cannot be written to"):
        data.write_data(tmp_path / "file/data", ["Tiny"])


def test_a_list_that_was_removed_between_two_calls_is_there_again(tmp_path, capsys):
    words = ["study", "table4a", "--miniature", "--only", "none", "--out", str(tmp_path)]
    for _ in range(2):
        # The data are made before the cells are looked for.
        assert main(words) == 2
        assert "no cell is called none" in capsys.readouterr().err
        (tmp_path / "data/K400/train.csv").unlink()
