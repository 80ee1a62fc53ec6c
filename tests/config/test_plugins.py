"""Modules of one's own: where they are found, what they add, and what is said of those that cannot be imported."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

import rhovideo
from rhovideo.cli import main
from rhovideo.config import ConfigError, cfg_from_released, load_cfg
from rhovideo.config.extension.plugins import local_sources, plugin_folders
from rhovideo.config.files.reading import load
from rhovideo.config.keys import leaves
from rhovideo.launch.plan import make_plan
from tests.config.own_parts import ENCODER, METHOD, write_modules
from tests.configured_runs import ROOT

ALIGN = "TASK: pretrain\nPLUGINS: [align]\nCONTRASTIVE: {TYPE: align}\nALIGN: {SPREAD: 0.5}\n"


def problem_of(path, *overrides):
    with pytest.raises(ConfigError) as error:
        load(path, overrides)
    (problem,) = error.value.problems
    return problem


def test_a_module_beside_the_file_is_imported_before_the_file_is_checked(own_parts, monkeypatch):
    (own_parts / "mine").mkdir()
    (own_parts / "elsewhere").mkdir()
    write_modules(own_parts / "mine", align=METHOD)
    (own_parts / "mine/a.yaml").write_text(ALIGN)
    monkeypatch.chdir(own_parts / "elsewhere")
    cfg = load_cfg("../mine/a.yaml")
    assert (cfg.PLUGINS, cfg.CONTRASTIVE.TYPE, cfg.ALIGN.SPREAD) == (["align"], "align", 0.5)
    assert cfg_from_released(cfg.dump()) == cfg
    assert plugin_folders() == [str(own_parts / "elsewhere/../mine")]
    assert [path.name for path in local_sources(cfg.PLUGINS)] == ["align.py"]


def test_a_base_file_has_its_plugins_beside_itself(own_parts):
    (own_parts / "low").mkdir()
    write_modules(own_parts / "low", align=METHOD)
    (own_parts / "low/base.yaml").write_text(ALIGN)
    (own_parts / "a.yaml").write_text("_BASE_: low/base.yaml\nALIGN: {SPREAD: 2}\n")
    assert load_cfg("a.yaml").ALIGN.SPREAD == 2


def test_a_module_in_the_current_folder_and_one_of_a_package_are_found(own_parts):
    package = own_parts / "my_package"
    package.mkdir()
    write_modules(package, __init__="", my_method=METHOD)
    write_modules(own_parts, tiny=ENCODER)
    cfg = load_cfg(None, ["PLUGINS", "[my_package.my_method, tiny]", "TASK", "knn", "MODEL.ARCH", "tiny"])
    assert (cfg.MODEL.ARCH, cfg.TINY.DIM, cfg.ALIGN.SPREAD) == ("tiny", 8, 1.0)
    assert rhovideo.build_backbone(cfg).dim == 8
    assert [path.name for path in local_sources(cfg.PLUGINS)] == ["my_package", "tiny.py"]


def test_keys_of_ones_own_are_read_and_checked_like_others(own_parts):
    write_modules(own_parts, align=METHOD)
    (own_parts / "a.yaml").write_text(ALIGN)
    problem = problem_of("a.yaml", "ALIGN.SPREAD", "-1")
    assert (problem.key, problem.write) == ("ALIGN.SPREAD", "a number that is 0 or more")
    (own_parts / "a.yaml").write_text(ALIGN.replace("SPREAD", "SPRAED"))
    problem = problem_of("a.yaml")
    assert (str(problem.origin), problem.write) == ("a.yaml:4", "ALIGN.SPREAD, which is the nearest name")


def test_what_a_plugin_adds_can_be_swept(own_parts):
    write_modules(own_parts, align=METHOD)
    (own_parts / "a.yaml").write_text(ALIGN)
    plan = make_plan(["a.yaml"], [], "ALIGN.SPREAD=1,2 CONTRASTIVE.TYPE=align,moco", "study")
    assert {(job.cfg.ALIGN.SPREAD, job.cfg.CONTRASTIVE.TYPE) for job in plan.jobs} == {
        (1.0, "align"),
        (1.0, "moco"),
        (2.0, "align"),
        (2.0, "moco"),
    }


@pytest.mark.parametrize(
    ("text", "named", "wrong", "write"),
    [
        ("", "nowhere", "is not there (No module named 'nowhere')", "the name of a module in "),
        ("", "bad.nowhere", "is not there", "the name of a module in "),
        ("", "bad.py", "is no name of a module", "bad"),
        ("", "a b", "is no name of a module", "a name such as my_package.my_method"),
        (
            "import nowhere",
            "bad",
            "bad.py, line 1: ModuleNotFoundError: No module named 'nowhere'",
            "a module that can",
        ),
        ("x = 1\n1 / 0", "bad", "bad.py, line 2: ZeroDivisionError: division by zero", "a module that can"),
        ("def f(:", "bad", "cannot be imported: SyntaxError: invalid syntax (bad.py, line 1)", "a module that can"),
        ("", '""', "is no name of a module", "a name such as my_package.my_method"),
        ("", '"/"', "is no name of a module", "a name such as my_package.my_method"),
        ("raise SystemExit(2)", "bad", "SystemExit: 2", "a module that can"),
        (
            "import rhovideo\nrhovideo.create_backbone('x')",
            "bad",
            "bad.py, line 2: ValueError: MODEL.ARCH",
            "a module that",
        ),
        (
            "import rhovideo; rhovideo.register_method('moco', print)",
            "bad",
            "bad.py, line 1: ValueError: there is a CONTRASTIVE.TYPE 'moco' already",
            "a",
        ),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_its_error(text, named, wrong, write, own_parts):
    write_modules(own_parts, bad=text)
    (own_parts / "a.yaml").write_text(f"TASK: pretrain\nSOLVER: {{MAX_EPOCH: 1}}\nPLUGINS: [{named}]\n")
    problem = problem_of("a.yaml")
    assert (problem.key, str(problem.origin)) == ("PLUGINS", "a.yaml:3")
    assert problem.wrong.startswith(named.strip('"'))
    assert wrong in problem.wrong
    assert problem.write.startswith(write)


def test_one_word_in_the_place_of_a_list_is_refused(own_parts):
    (own_parts / "a.yaml").write_text("TASK: pretrain\nPLUGINS: align\n")
    assert problem_of("a.yaml").wrong == "'align' is not a list of words"


def test_another_module_of_the_name_is_not_taken_for_the_one_beside_the_file(own_parts):
    write_modules(own_parts, colorsys=METHOD)
    (own_parts / "a.yaml").write_text(ALIGN.replace("[align]", "[colorsys]"))
    problem = problem_of("a.yaml")
    assert f"colorsys.py, and not {own_parts / 'colorsys.py'}" in problem.wrong
    assert problem.write == "another name for one of the two files"


def test_a_checkpoint_whose_plugin_is_gone_is_still_read(own_parts, caplog):
    with caplog.at_level(logging.WARNING):
        cfg = cfg_from_released(ALIGN)
    assert "a plugin of the checkpoint is missing: PLUGINS: align is not there" in caplog.text
    assert (cfg.PLUGINS, cfg.CONTRASTIVE.TYPE) == (["align"], "align")
    assert "ALIGN.SPREAD" not in dict(leaves(cfg))


def test_a_checkpoint_does_not_run_any_program_that_lies_in_the_folder(own_parts, caplog):
    write_modules(own_parts, align="open('was_run', 'w').close()")
    with caplog.at_level(logging.WARNING):
        cfg_from_released(ALIGN)
    assert "its text does not speak of rhovideo, so it was not imported" in caplog.text
    assert not (own_parts / "was_run").exists()


def test_checking_plugins_imports_no_torch_of_ours(own_parts):
    write_modules(own_parts, quick="import rhovideo\nrhovideo.register_dataset('quick', print)\n")
    words = "['TASK', 'knn', 'PLUGINS', ['quick'], 'TRAIN.DATASET', 'Quick']"
    code = f"import sys, rhovideo; rhovideo.load_cfg(None, {words}); print('torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=own_parts, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_a_dry_run_of_a_registered_data_set_counts_no_videos(own_parts, capsys):
    write_modules(own_parts, quick="import rhovideo\nrhovideo.register_dataset('quick', print)\n")
    (own_parts / "a.yaml").write_text(
        "TASK: pretrain\nPLUGINS: [quick]\nTRAIN: {DATASET: quick}\nNUM_GPUS: 0\nRESNET: {WIDTH_PER_GROUP: 4}\n"
    )
    assert main(["run", "--cfg", "a.yaml", "--dry-run"]) == 0
    assert "a.yaml: TASK pretrain; a registered data set, whose videos were not counted; " in capsys.readouterr().err
