import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rhovideo.engine.log import logging_setup
from rhovideo.engine.log.json_stats import JsonStats
from rhovideo.engine.log.logging_setup import progress, set_up_logging, shut_down_logging
from tests.configured_runs import ROOT

logger = logging.getLogger("rhovideo.engine.something")


@pytest.fixture(autouse=True)
def _clean():
    level = logging.getLogger("rhovideo").level
    yield
    shut_down_logging()
    logging.getLogger("rhovideo").setLevel(level)


def test_rank_0_speaks_on_the_console_and_in_the_file(tmp_path, capsys):
    set_up_logging(tmp_path / "new" / "run")
    logger.info("hello")
    logger.debug("whisper")
    printed = capsys.readouterr().out
    assert printed.count("hello") == 1
    assert "whisper" not in printed
    assert (tmp_path / "new" / "run" / "stdout.log").read_text().count("hello") == 1


def test_other_ranks_only_warn_and_open_no_file(tmp_path, capsys):
    set_up_logging(tmp_path / "run", rank=3)
    logger.info("hello")
    logger.warning("careful")
    printed = capsys.readouterr().out
    assert "hello" not in printed
    assert "[rank 3]" in printed
    assert "careful" in printed
    assert not (tmp_path / "run").exists()


def test_the_next_job_gets_its_own_file_and_a_resumed_one_appends(tmp_path, capsys):
    for folder, word in (("a", "first"), ("b", "second"), ("a", "third")):
        set_up_logging(tmp_path / folder)
        logger.info(word)
    words = [line.split()[-1] for line in (tmp_path / "a" / "stdout.log").read_text().splitlines()]
    assert words == ["first", "third"]
    assert capsys.readouterr().out.count("second") == 1


def test_a_terminal_is_spared_what_it_is_told_otherwise(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(logging_setup, "on_terminal", lambda: True)
    set_up_logging(tmp_path)
    logger.info("for people")
    logger.info("told otherwise", extra={"for_files": True})
    printed = capsys.readouterr().out
    assert "for people" in printed
    assert "told otherwise" not in printed
    assert "told otherwise" in (tmp_path / "stdout.log").read_text()


def test_console_has_times_and_words_and_the_file_all_that_programs_read(tmp_path, capsys):
    set_up_logging(tmp_path)
    JsonStats(tmp_path).write({"loss": 1.0})
    logger.info("for people", extra={"for_files": True})
    logger.warning("careful")
    printed = capsys.readouterr().out
    assert re.fullmatch(r"\[.{14}\] for people\n\[.{14}\] WARNING: careful\n", printed)
    assert (tmp_path / "json_stats.log").read_text() == 'json_stats: {"loss": 1.0}\n'
    # The numbers are in it once, in the line for people.
    people, _ = (tmp_path / "stdout.log").read_text().splitlines()
    assert re.fullmatch(r"\[.{14}\]\[INFO\] test_logging_setup.py: +\d+: for people", people)


FAILING = """
import logging, os, sys
from rhovideo.engine.log.logging_setup import set_up_logging
set_up_logging(".", rank=1)
logging.getLogger("rhovideo").warning("failed")
sys.stdout.flush()
os._exit(1)
"""


def test_console_leaves_no_semaphore_behind():
    done = subprocess.run([sys.executable, "-c", FAILING], cwd=ROOT, capture_output=True, text=True)
    assert "failed" in done.stdout
    assert done.stderr == ""


def test_progress_passes_everything_on_and_draws_only_on_a_terminal(capsys):
    assert list(progress(range(5), 5, "testing")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_is_told_once_and_ends_nothing(tmp_path, capsys):
    (tmp_path / "stdout.log").symlink_to("/dev/full")
    set_up_logging(tmp_path)
    for _ in range(3):
        logging.getLogger("rhovideo.engine.run").info("a step")
    shut_down_logging()
    told = capsys.readouterr()
    assert told.err.count("writing failed") == 1
    assert "Traceback" not in told.err
    assert told.out.count("a step") == 3
