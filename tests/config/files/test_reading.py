"""What a person writes in a file or on the command line, and what it becomes."""

from __future__ import annotations

import math
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhovideo.config import ConfigError, cfg_from_released, get_cfg, load_cfg
from rhovideo.config.keys import get_value, leaves
from rhovideo.config.pyslowfast import other_keys


@pytest.fixture
def write(tmp_path):
    def write_file(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write_file


def problems_of(path, overrides=()):
    with pytest.raises(ConfigError) as error:
        load_cfg(path, overrides)
    return error.value.problems


def test_every_default_survives_a_written_file(write):
    given = load_cfg(None, ["TASK", "pretrain"])
    again = load_cfg(write("dump.yaml", given.dump()))
    assert again == given


def test_loaded_configuration_is_frozen_and_crosses_processes():
    cfg = load_cfg(None, ["TASK", "pretrain"])
    with pytest.raises(AttributeError):
        cfg.SOLVER.BASE_LR = 1.0
    assert pickle.loads(pickle.dumps(cfg)) == cfg


@pytest.mark.parametrize(
    ("line", "key", "meant"),
    [
        ("SOLVER: {WEIGHT_DECAY: 1e-6}", "SOLVER.WEIGHT_DECAY", 1e-6),
        ("SOLVER: {BASE_LR: 1}", "SOLVER.BASE_LR", 1.0),
        ("SOLVER: {LRS: [1, 1e-1]}", "SOLVER.LRS", [1.0, 0.1]),
        ("SOLVER:\n  STEPS: (0, 5)", "SOLVER.STEPS", [0, 5]),
        ("SOLVER: {BETAS: [0.9, 0.95]}", "SOLVER.BETAS", (0.9, 0.95)),
        ("SOLVER: {CLIP_GRAD_L2NORM: 2}", "SOLVER.CLIP_GRAD_L2NORM", 2.0),
        ("SOLVER: {CLIP_GRAD_L2NORM: }", "SOLVER.CLIP_GRAD_L2NORM", None),
        ("SOLVER: {CLIP_GRAD_L2NORM: None}", "SOLVER.CLIP_GRAD_L2NORM", None),
        ("SOLVER: {MAX_EPOCH: 1e2}", "SOLVER.MAX_EPOCH", 100),
        (
            'TRAIN:\n  CHECKPOINT_CLEAR_NAME_PATTERN: ("backbone.",)',
            "TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN",
            ("backbone.",),
        ),
        ("DATA: {PATH_TO_DATA_DIR: # to be added\n}", "DATA.PATH_TO_DATA_DIR", ""),
        ("DATA: {MEAN: }", "DATA.MEAN", [0.45, 0.45, 0.45]),
        ("DATA: {STD: [1, 1, 1]}", "DATA.STD", [1.0, 1.0, 1.0]),
        ('DATA: {PATH_LABEL_SEPARATOR: ","}', "DATA.PATH_LABEL_SEPARATOR", ","),
        ("DATA: {RANDOM_FLIP: no}", "DATA.RANDOM_FLIP", False),
        ("CONTRASTIVE: {DELTA_CLIPS_MAX: inf}", "CONTRASTIVE.DELTA_CLIPS_MAX", math.inf),
        ("CONTRASTIVE: {DELTA_CLIPS_MIN: -.inf}", "CONTRASTIVE.DELTA_CLIPS_MIN", -math.inf),
        ("OUTPUT_DIR: 2024", "OUTPUT_DIR", "2024"),
        ("OUTPUT_DIR: no", "OUTPUT_DIR", "no"),
        ("RESNET: {SPATIAL_STRIDES: [[1], [2], [2], [1]]}", "RESNET.SPATIAL_STRIDES", [[1], [2], [2], [1]]),
        ("MVIT: {DIM_MUL: !!python/tuple [[1, 2e0]]}", "MVIT.DIM_MUL", [[1, 2]]),
        ("SOLVER: {BASE_LR: 0.3, BASE_LR: 0.7}", "SOLVER.BASE_LR", 0.7),
        ("SOLVER:", "SOLVER.BASE_LR", 0.1),
        ("SOLVER.BASE_LR: 0.2", "SOLVER.BASE_LR", 0.2),
    ],
)
def test_value_is_read_as_meant(line, key, meant, write):
    value = get_value(load_cfg(write("a.yaml", f"TASK: pretrain\n{line}\n")), key)
    assert value == meant
    assert type(value) is type(meant)


@pytest.mark.parametrize(
    ("word", "key", "meant"),
    [
        ("1e-6", "SOLVER.WEIGHT_DECAY", 1e-6),
        ("-inf", "CONTRASTIVE.DELTA_CLIPS_MIN", -math.inf),
        ("[1,0.1]", "SOLVER.LRS", [1.0, 0.1]),
        ("('backbone.',)", "TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN", ("backbone.",)),
        ("True", "TRAIN.MIXED_PRECISION", True),
        ("None", "SOLVER.CLIP_GRAD_VAL", None),
        ("", "DATA.PATH_PREFIX", ""),
        (" ", "DATA.PATH_LABEL_SEPARATOR", " "),
        ("a: b", "OUTPUT_DIR", "a: b"),
        ("@odd%", "OUTPUT_DIR", "@odd%"),
        (3, "NUM_CPU_PROCESSES", 3),
    ],
)
def test_override_is_read_as_meant(word, key, meant):
    assert get_value(load_cfg(None, ["TASK", "pretrain", key, word]), key) == meant


@given(st.floats(1e-12, 1e12))
def test_any_number_arrives_as_it_was_printed(number):
    for spelling in (repr(number), f"{number:.17g}", f"{number:.17e}"):
        assert load_cfg(None, ["TASK", "pretrain", "SOLVER.BASE_LR", spelling]).SOLVER.BASE_LR == number


def test_file_builds_on_others_relative_to_itself(write):
    write("low/lowest.yaml", "TASK: pretrain\nSOLVER: {BASE_LR: 0.1, MAX_EPOCH: 10}\nRNG_SEED: 5\n")
    write("middle.yaml", "_BASE_: low/lowest.yaml\nSOLVER: {BASE_LR: 0.2}\n")
    path = write("high/top.yaml", "_BASE_: ../middle.yaml\nSOLVER: {WARMUP_EPOCHS: 2}\n")
    cfg = load_cfg(path, ["RNG_SEED", "6"])
    found = (cfg.SOLVER.BASE_LR, cfg.SOLVER.MAX_EPOCH, cfg.SOLVER.WARMUP_EPOCHS, cfg.RNG_SEED)
    assert found == (0.2, 10, 2.0, 6)


def test_circle_of_bases_stops(write):
    write("a.yaml", "_BASE_: b.yaml\nTASK: pretrain\n")
    (problem,) = problems_of(write("b.yaml", "_BASE_: a.yaml\n"))
    assert (problem.key, problem.origin.line) == ("_BASE_", 1)


def test_section_given_twice_counts_last_and_is_noted(write, caplog):
    path = write("a.yaml", "TASK: pretrain\nSOLVER: {MAX_EPOCH: 7}\nSOLVER: {BASE_LR: 0.5}\n")
    cfg = load_cfg(path)
    assert (cfg.SOLVER.BASE_LR, cfg.SOLVER.MAX_EPOCH) == (0.5, get_cfg().SOLVER.MAX_EPOCH)
    assert "SOLVER.MAX_EPOCH" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("SOLVER.BASE_LRR", "SOLVER.BASE_LR"),
        ("SOLVER.base_lr", "SOLVER.BASE_LR"),
        ("TRAIN.MAX_EPOCH", "SOLVER.MAX_EPOCH"),
        ("MAX_EPOCH", "SOLVER.MAX_EPOCH"),
        ("CONTRASTIVE.SWAV_QUEUE_LEN", "CONTRASTIVE.SWAV_QEUE_LEN"),
        ("DATA.NUM_FRAME", "DATA.NUM_FRAMES"),
    ],
)
def test_unknown_key_names_the_nearest_one(wrong, right, write):
    section, _, name = wrong.rpartition(".")
    text = f"{section}:\n  {name}: 1\n" if section else f"{name}: 1\n"
    (problem,) = problems_of(write("a.yaml", f"TASK: pretrain\n{text}"))
    assert problem.key == wrong
    assert problem.write.startswith(f"{right},")
    assert problem.origin.line == (3 if section else 2)


def test_all_problems_of_a_file_and_of_the_command_line_are_told_at_once(write):
    write("base.yaml", "SOLVER:\n  MAX_EPOCH: many\n")
    path = write("a.yaml", "_BASE_: base.yaml\nTASK: pretrain\nDATA: 4\nTRAIN:\n  BATCH_SIZE: {A: 1}\n  ENABLE: 3\n")
    found = {p.key: str(p.origin) for p in problems_of(path, ["MODEL.ARCH", "slowfats", "DATA.STDD", "1", "LAST"])}
    assert found == {
        "SOLVER.MAX_EPOCH": f"{path.parent}/base.yaml:2",
        "DATA": f"{path}:3",
        "TRAIN.BATCH_SIZE": f"{path}:5",
        "TRAIN.ENABLE": f"{path}:6",
        "MODEL.ARCH": "command line",
        "DATA.STDD": "command line",
        "LAST": "command line",
    }


def test_message_has_key_place_value_and_remedy(write):
    path = write("a.yaml", "TASK: pretrain\nSOLVER:\n  MAX_EPOCH: 2.5\n")
    with pytest.raises(ConfigError) as error:
        load_cfg(path)
    assert (
        str(error.value)
        == f"{path}:3: SOLVER.MAX_EPOCH: 2.5 is not a whole number\n    Write a whole number, such as 8"
    )


def test_origin_of_an_overridden_value_is_where_it_was_written_last(write):
    path = write("a.yaml", "TASK: pretrain\nSOLVER: {MAX_EPOCH: 2.5}\n")
    assert load_cfg(path, ["SOLVER.MAX_EPOCH", "3"]).SOLVER.MAX_EPOCH == 3


@pytest.mark.parametrize("text", ["TASK: [", "- a\n- b\n", "A: 1\n\tB: 2\n", "TASK: pretrain\n--- \nTASK: linear\n"])
def test_what_is_no_yaml_mapping_is_said_with_its_line(text, write):
    (problem,) = problems_of(write("a.yaml", text))
    assert problem.origin.line >= 1


def test_missing_file_names_the_likely_one(write):
    path = write("MoCo_SlowR50.yaml", "TASK: pretrain")
    (problem,) = problems_of(path.with_name("MoCo_SlowR5O.yaml"))
    assert problem.write == str(path)


def test_keys_of_pyslowfast_that_change_nothing_are_dropped_and_noted(write, caplog):
    text = "TASK: ssl\nMULTIGRID: {BN_BASE_SIZE: 4}\nMIXUP: {ENABLE: False}\nTEST: {NUM_TEMPORAL_CLIPS: []}\n"
    load_cfg(write("a.yaml", text))
    assert caplog.text.count("MULTIGRID.BN_BASE_SIZE") == 1


def test_keys_of_pyslowfast_that_change_results_stop(write):
    text = "TASK: ssl_eval\nMIXUP: {ENABLE: True}\nNONLOCAL: {LOCATION: [[[]], [[1, 3]], [[]], [[]]]}\n"
    problems = problems_of(write("a.yaml", text))
    assert [(p.key, p.origin.line) for p in problems] == [("MIXUP.ENABLE", 2), ("NONLOCAL.LOCATION", 3)]


RELEASED = """
TASK: {task}
MODEL: {{MODEL_NAME: {model}, FROZEN_BN: false, SINGLE_PATHWAY_ARCH: [2d, slow], DETACH_FINAL_FC: {detach}}}
CONTRASTIVE: {{DELTA_CLIPS_MAX: .inf, QUEUE_LEN: 17}}
MASK: {{ENABLE: true}}
SOLVER: {{WEIGHT_DECAY: 1.0e-06, BETAS: !!python/tuple [0.9, 0.99]}}
SOMETHING: {{NEW: !!python/object:foo.Bar {{}}}}
TRAIN: {{BATCH_SIZE: many}}
"""


@pytest.mark.parametrize(
    ("task", "model", "detach", "meant"),
    [
        ("ssl", "ContrastiveModel", False, "pretrain"),
        ("''", "ContrastiveModel", False, "pretrain"),
        ("ssl_eval_k400", "ResNet", True, "linear"),
        ("ssl_eval_ucf", "ResNet", False, "finetune"),
        ("''", "ResNet", False, "finetune"),
    ],
)
def test_released_configuration_is_read_tolerantly(task, model, detach, meant):
    cfg = cfg_from_released(RELEASED.format(task=task, model=model, detach=detach))
    assert cfg.TASK == meant
    assert cfg.CONTRASTIVE.LOSS_FORM == ("released" if meant == "pretrain" else "paper")
    assert cfg.MODEL.FROZEN_BN is False
    assert (cfg.SOLVER.WEIGHT_DECAY, cfg.SOLVER.BETAS, cfg.CONTRASTIVE.QUEUE_LEN) == (1e-6, (0.9, 0.99), 17)
    assert cfg.TRAIN.BATCH_SIZE == get_cfg().TRAIN.BATCH_SIZE


def test_configuration_in_our_own_checkpoint_comes_back():
    cfg = load_cfg(None, ["TASK", "linear", "MODEL.ARCH", "x3d"])
    assert cfg_from_released(cfg.dump()) == cfg


def test_a_checkpoint_without_readable_configuration_says_so():
    with pytest.raises(ConfigError, match="checkpoint"):
        cfg_from_released("A: [")


def test_loading_is_quick_and_imports_no_torch():
    code = (
        "import sys, time, rhovideo.config as c; t = time.perf_counter(); c.load_cfg(None, ['TASK', 'pretrain']);"
        "print(time.perf_counter() - t, 'torch' in sys.modules, 'cv2' in sys.modules)"
    )
    started = time.perf_counter()
    seconds, *heavy = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    ).stdout.split()
    assert heavy == ["False", "False"]
    assert float(seconds) < 0.5
    assert time.perf_counter() - started < 10


def test_every_key_of_the_schema_is_read_somewhere():
    """A key that nothing reads would promise what does not happen."""
    package = Path(__file__).parents[3] / "rhovideo"
    sources = [path.read_text() for path in package.rglob("*.py") if path.parent.name != "schema"]
    read = set(re.findall(r"\.([A-Z][A-Z0-9_]*)\b", "\n".join(sources)))
    assert [key for key, _ in leaves(get_cfg()) if key.rpartition(".")[2] not in read] == []


def test_no_key_is_both_ours_and_foreign():
    assert not (other_keys.DROPPED | other_keys.NO_EFFECT.keys()) & dict(leaves(get_cfg())).keys()


def test_no_key_of_the_schema_is_lost_in_a_round_trip():
    assert dict(leaves(get_cfg())).keys() == dict(leaves(load_cfg(None, ["TASK", "knn"]))).keys()


def test_alias_inside_its_own_anchor_is_named(write):
    path = write("a.yaml", "TASK: &a [*a]\n")
    with pytest.raises(ConfigError, match=r"a.yaml:1: an alias .* stands inside its own anchor"):
        load_cfg(path)


def test_aliases_of_aliases_are_counted_before_they_are_written_out(write):
    lines = ["A0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"A{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (problem,) = problems_of(write("a.yaml", "\n".join(lines)))
    assert "its aliases (*name) stand for" in str(problem)


@pytest.mark.parametrize("text", ["SOLVER:\n  STEPS: " + "[" * 5000, "{a: " * 5000])
def test_a_bottomless_file_is_told_from_an_endless_one(write, text):
    (problem,) = problems_of(write("a.yaml", text))
    assert "nested too deeply" in str(problem)


@pytest.mark.parametrize("base", ['"a\\0b"', "a" * 5000, "~nobody-of-this-name/x.yaml"])
def test_a_base_that_can_be_no_path_is_named(write, base):
    (problem,) = problems_of(write("a.yaml", f"_BASE_: {base}\n"))
    assert "a.yaml:1: _BASE_: cannot be the path of a file" in str(problem)


@pytest.mark.parametrize("word", ["2026-02-30", "9" * 5000, "[" * 2000, '!!int ""', "!!bool maybe"])
def test_a_word_that_yaml_stumbles_over_is_a_word(word):
    assert load_cfg(None, ["TASK", "pretrain", "SLURM.COMMENT", word]).SLURM.COMMENT == word
    with pytest.raises(ConfigError, match=r"TRAIN\.BATCH_SIZE"):
        load_cfg(None, ["TASK", "pretrain", "TRAIN.BATCH_SIZE", f"{word}."])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('TRAIN: {BATCH_SIZE: !!int ""}', "TRAIN.BATCH_SIZE"),
        ("SOLVER: {BASE_LR: !!float ''}", "SOLVER.BASE_LR"),
        ("TRAIN: {ENABLE: !!bool maybe}", "TRAIN.ENABLE"),
        ("RNG_SEED: !!timestamp noon", "RNG_SEED"),
        ("SOLVER: {STEPS: [0, !!int x]}", "SOLVER.STEPS"),
        ("SOLVER: {STEPS: [0, ten]}", "SOLVER.STEPS"),
        (f"SOLVER: {{BASE_LR: 1{'0' * 400}}}", "SOLVER.BASE_LR"),
        (f"RNG_SEED: -1{'0' * 400}", "RNG_SEED"),
        (f"DATA: {{MEAN: [1, 1, 1{'0' * 400}]}}", "DATA.MEAN"),
        ("SOLVER: {STEPS: [{{first}: 1}]}", "SOLVER.STEPS"),
    ],
)
def test_a_value_that_yaml_or_python_stumbles_over_is_named_with_its_key(text, key, write):
    (problem,) = problems_of(write("a.yaml", f"TASK: pretrain\n{text}\n"))
    assert (problem.key, problem.origin.line) == (key, 2)
    assert " is not " in problem.wrong


def test_a_template_that_was_not_filled_in_is_named_as_it_was_written(write):
    (problem,) = problems_of(write("a.yaml", "TASK: pretrain\nOUTPUT_DIR: {{folder}}\n"))
    assert "Node" not in str(problem)
    assert problem.key == "OUTPUT_DIR"


def test_of_several_bases_the_last_counts_most_and_the_file_itself_above_all(tmp_path):
    (tmp_path / "one.yaml").write_text("TASK: pretrain\nSOLVER:\n  BASE_LR: 0.1\n  MAX_EPOCH: 10\nRNG_SEED: 1\n")
    (tmp_path / "two.yaml").write_text("SOLVER:\n  BASE_LR: 0.2\n  MAX_EPOCH: 20\n")
    mine = tmp_path / "mine.yaml"
    mine.write_text("_BASE_: [one.yaml, two.yaml]\nSOLVER:\n  MAX_EPOCH: 30\n")
    cfg = load_cfg(mine)
    assert (cfg.RNG_SEED, cfg.SOLVER.BASE_LR, cfg.SOLVER.MAX_EPOCH) == (1, 0.2, 30)


@pytest.mark.parametrize(
    ("bases", "wrong"),
    [
        ("[one.yaml, mine.yaml]", "mine.yaml builds on this file itself"),
        ("[one.yaml, tow.yaml]", "there is no file"),
        ("[one.yaml, 3]", "is not a path"),
    ],
)
def test_a_wrong_one_of_several_bases_is_named(tmp_path, bases, wrong):
    (tmp_path / "one.yaml").write_text("TASK: pretrain\n")
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"_BASE_: {bases}\n")
    with pytest.raises(ConfigError, match=wrong):
        load_cfg(mine)
