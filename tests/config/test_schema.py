"""One definition per key: what its value may be, and what else is read off it."""

from __future__ import annotations

import pytest

import rhovideo
from rhovideo.cli.run import SLURM_FLAGS
from rhovideo.config import ConfigError, load_cfg
from rhovideo.config.extension.registries import Registry
from rhovideo.config.keys import leaves
from rhovideo.config.pyslowfast import other_keys
from rhovideo.config.schema import Key, definitions, get_cfg
from rhovideo.config.slurm_options import _OWN as KEYS_OF_SBATCH

KEYS = list(definitions().values())
# What a key of each kind never holds.
NEVER = {"int": "many", "float": "much", "bool": "perhaps", "nested list": "[[a]]", "int list": "[0.5]"}


def problems_of(*overrides):
    with pytest.raises(ConfigError) as error:
        load_cfg(None, ["TASK", "pretrain", *overrides])
    return error.value.problems


def test_configuration_holds_every_key_once_and_no_two_share_a_list():
    cfg, other = get_cfg(), get_cfg()
    assert [key for key, _ in leaves(cfg)] == list(definitions())
    cfg.SOLVER.STEPS.append(1)
    cfg.MVIT.DIM_MUL[0][0] = 7
    assert (other.SOLVER.STEPS, other.MVIT.DIM_MUL[0][0], get_cfg().MVIT.DIM_MUL[0][0]) == ([], 1, 1)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_key_says_what_it_means_in_whole_sentences(key):
    assert len(key.help) > 8 or key.name in ("MVIT.DEPTH", "RESNET.DEPTH")
    for text in (key.help, key.released):
        assert not text or (text[-1] == "." and "  " not in text)
    assert key.default is None or key.check(key.default) is None or key.name == "TASK"


@pytest.mark.parametrize("key", [key for key in KEYS if key.choices and key.name != "TASK"], ids=lambda key: key.name)
def test_a_value_that_is_none_of_the_choices_is_refused_with_the_choices(key):
    wrong = 7 if key.kind == "int" else "something"
    written = [wrong] if key.kind == "str list" else wrong
    (problem,) = [problem for problem in problems_of(key.name, written) if problem.key == key.name]
    assert f"there is no {wrong!r}" in problem.wrong
    assert all(str(choice) in problem.write for choice in key.choices)
    assert ("PLUGINS" in problem.write) == isinstance(key.choices, Registry)


@pytest.mark.parametrize("key", [key for key in KEYS if key.range], ids=lambda key: key.name)
def test_a_number_out_of_its_range_is_refused_with_the_range(key):
    low = key.at_least if key.at_least is not None else key.above
    outside = [low if key.above is not None else low - 1, *([key.at_most + 1] if key.at_most is not None else [])]
    for number in outside:
        assert key.range in problems_of(key.name, number)[0].write
        assert key.check(number) is not None
    inside = (low + 1) if key.above is not None else low
    assert key.check(inside) is None


@pytest.mark.parametrize("key", [key for key in KEYS if key.kind in NEVER], ids=lambda key: key.name)
def test_a_value_of_another_kind_is_refused(key):
    assert problems_of(key.name, NEVER[key.kind])[0].key == key.name


@pytest.mark.parametrize("key", [key for key in KEYS if key.fixed], ids=lambda key: key.name)
def test_a_value_that_is_not_built_is_refused(key):
    other = not key.default if isinstance(key.default, bool) else key.default + 1
    (problem,) = problems_of(key.name, other)
    assert (problem.key, problem.write) == (key.name, repr(key.default))


def test_pyslowfasts_values_are_read_as_ours():
    there = [(key, theirs, ours) for key in KEYS for theirs, ours in key.read_as.items()]
    assert len(there) == 2
    for key, theirs, ours in there:
        assert load_cfg(None, ["TASK", "ssl", key.name, theirs]) == load_cfg(None, ["TASK", "ssl", key.name, ours])


def test_nothing_is_defined_twice():
    assert len({key.name for key in KEYS}) == len(KEYS)
    assert not definitions().keys() & (other_keys.DROPPED | other_keys.NO_EFFECT.keys())
    flags = [key.flag for key in KEYS if key.flag]
    assert [flag.name for flag in SLURM_FLAGS] == flags
    assert len(set(flags)) == len(flags) == 15
    assert KEYS_OF_SBATCH["ntasks-per-node"] == "--tasks-per-node or SLURM.TASKS_PER_NODE"
    assert KEYS_OF_SBATCH["signal"] == "SLURM.GRACE_SECONDS"
    assert len(KEYS_OF_SBATCH) == 14


def test_a_key_whose_default_shows_no_kind_must_name_it():
    with pytest.raises(ValueError, match=r"A\.B: the default None does not show its kind"):
        Key("A.B", None, "Something.")
    assert Key("A.B", None, "Something.", "int").kind == "int"


@pytest.mark.parametrize(
    ("name", "default", "limits", "said"),
    [
        ("SOLVER.BASE_LR", 0.1, {}, "there is a key SOLVER.BASE_LR already"),
        ("weight", 0.1, {}, "SECTION.NAME in capitals"),
        ("WEIGHT", 0.1, {}, "SECTION.NAME in capitals"),
        ("SOLVER", 0.1, {}, "SECTION.NAME in capitals"),
        ("SOLVER.BASE_LR.X", 0.1, {}, "a key and a section at once"),
        ("MINE.A", [], {}, "does not show its kind"),
        ("MINE.A", -1.0, {"at_least": 0}, "breaks its own limits: -1.0 is out of range"),
        ("MINE.A", "c", {"choices": ("a", "b")}, "breaks its own limits: there is no 'c'"),
    ],
)
def test_a_key_of_ones_own_that_cannot_be_is_refused(name, default, limits, said):
    with pytest.raises(ValueError, match=said):
        rhovideo.register_key(name, default, "Something of mine.", **limits)
    assert "MINE.A" not in definitions()


def test_a_key_of_ones_own_needs_help():
    with pytest.raises(ValueError, match=r"MINE\.A has no help"):
        rhovideo.register_key("MINE.A", 1, " ")


@pytest.mark.parametrize(
    ("register", "name"),
    [
        (rhovideo.register_method, "moco"),
        (rhovideo.register_backbone, "slow"),
        (rhovideo.register_dataset, "kinetics"),
        (rhovideo.register_dataset, "Mine"),
        (rhovideo.register_method, "a method"),
    ],
)
def test_a_name_that_is_taken_or_no_word_is_refused(register, name):
    with pytest.raises(ValueError, match=r"already, of rhovideo|cannot be a"):
        register(name, lambda *parts: None)


def test_two_parts_of_one_name_are_refused_unless_they_are_the_same_one():
    registry = Registry("MODEL.ARCH", {"slow": "nowhere:build"})

    def build(cfg):
        return None

    def build_other(cfg):
        return None

    registry.register("mine", build)
    registry.register("mine", build)
    with pytest.raises(ValueError, match=r"already, of .*test_schema\.py:.*build: take another name"):
        registry.register("mine", build_other)
    assert (list(registry), "Mine" in registry) == (["slow", "mine"], False)
