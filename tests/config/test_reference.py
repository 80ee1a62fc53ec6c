"""What a person reads of the keys: the page of docs/, `rhovideo keys` and `--help KEY`."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from rhovideo.cli import main
from rhovideo.config.schema import definitions
from rhovideo.config.schema.reference import matching, page
from tests.config.own_parts import METHOD, write_modules
from tests.configured_runs import ROOT


def test_page_is_what_the_definitions_say():
    remedy = "python -m rhovideo.config.schema.reference > docs/configuration.md"
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == page(), remedy


def test_page_has_a_row_for_each_key_and_marks_ours():
    rows = re.findall(r"^\| `([A-Z0-9_.]+)`( †)? \| `.*` \| .+ \|$", page(), re.MULTILINE)
    assert [name for name, _ in rows] == list(definitions())
    assert all(bool(mark) == definitions()[name].ours for name, mark in rows)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("queue", {"CONTRASTIVE.QUEUE_LEN", "CONTRASTIVE.MOCO_MULTI_VIEW_QUEUE"}),
        (
            "slowfast.",
            {f"SLOWFAST.{name}" for name in ("BETA_INV", "ALPHA", "FUSION_CONV_CHANNEL_RATIO", "FUSION_KERNEL_SZ")},
        ),
        ("*.T", {"CONTRASTIVE.T", "KNN.T"}),
        ("knn.t", {"KNN.T"}),
        ("TASK", {"TASK"}),
        ("no such", set()),
    ],
)
def test_a_pattern_is_part_of_a_name_or_has_stars(pattern, found):
    assert {key.name for key in matching(pattern)} == found


def test_keys_are_listed_with_default_values_and_meaning(capsys):
    assert main(["keys", "SOLVER.CLIP"]) == 0
    first, meaning, second, _ = capsys.readouterr().out.splitlines()
    assert first == "SOLVER.CLIP_GRAD_VAL  empty  (a number, above 0)"
    assert meaning == "    Clip each entry of the gradient to this size. Empty: not at all."
    assert second.startswith("SOLVER.CLIP_GRAD_L2NORM")
    assert main(["keys"]) == 0
    assert capsys.readouterr().out.count("\n    ") == len(definitions())


@pytest.mark.parametrize("words", [["keys", "slurm.tasks_per_node"], ["run", "--help", "SLURM.TASKS_PER_NODE"]])
def test_of_one_key_everything_is_told(words, capsys):
    assert main(words) == 0
    shown = capsys.readouterr().out
    for text in ("0  (a whole number, 0 or more)", "NUM_CPU_PROCESSES", "no such key", "--tasks-per-node N"):
        assert text in shown
    assert shown.endswith("sbatch: --ntasks-per-node\n")


def test_pyslowfasts_meaning_is_told(capsys):
    assert main(["eval", "-h", "BN.NORM_TYPE"]) == 0
    assert "In PySlowFast: sync_batchnorm_apex is read as sync_batchnorm." in capsys.readouterr().out
    assert main(["keys", "MULTIGRID.LONG_CYCLE"]) == 0
    assert "A file may hold it with False alone" in capsys.readouterr().out
    assert main(["keys", "multigrid.bn_base_size"]) == 0
    assert "changes nothing here" in capsys.readouterr().out


def test_a_wrong_key_names_the_nearest(capsys):
    assert main(["run", "--help", "SOLVER.BASE_LRR"]) == 2
    assert "Write SOLVER.BASE_LR, which is the nearest name" in capsys.readouterr().err


def test_a_pattern_that_fits_no_key_is_no_fault_of_a_configuration(capsys):
    assert main(["keys", "ALIGNMENT"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rhovideo: no key has ALIGNMENT in its name")
    assert "--plugins" in said
    assert "configuration cannot be used" not in said
    assert main(["keys", "SOLVER.BASE_LRR"]) == 2
    assert "SOLVER.BASE_LR, which is the nearest name" in capsys.readouterr().err


def test_help_of_a_command_is_still_its_help(capsys):
    with pytest.raises(SystemExit) as left:
        main(["run", "--help"])
    assert left.value.code == 0
    assert "rhovideo keys" in capsys.readouterr().out


def test_keys_of_ones_own_are_listed(own_parts, capsys):
    write_modules(own_parts, align=METHOD)
    assert main(["keys", "align.", "--plugins", "align"]) == 0
    assert capsys.readouterr().out.startswith("ALIGN.SPREAD  1.0  (a number, 0 or more)\n")
    assert main(["keys", "CONTRASTIVE.TYPE"]) == 0
    assert "moco, byol, swav, align" in capsys.readouterr().out
    assert main(["keys", "--plugins", "nowhere"]) == 2
    assert "PLUGINS: nowhere is not there" in capsys.readouterr().err


def test_keys_are_shown_without_torch():
    code = "import sys; from rhovideo.cli import main; main(['keys', 'BASE_LR']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")
