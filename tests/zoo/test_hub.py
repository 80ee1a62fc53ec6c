"""torch.hub on this checkout, as people use it."""

from __future__ import annotations

import shutil
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

from rhovideo.config import load_cfg
from rhovideo.zoo import load_pretrained
from rhovideo.zoo.catalogue import ENTRIES, entry_named
from tests.configured_runs import ROOT

REFERENCE = Path(__file__).parents[1] / "reference"


def hub(name: str, *arguments: object, **words: object) -> torch.nn.Module:
    return torch.hub.load(str(ROOT), name, *arguments, source="local", **words)


def same(module: torch.nn.Module, other: torch.nn.Module) -> bool:
    states = module.state_dict(), other.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_the_hub_lists_every_released_encoder_and_little_else():
    spec = spec_from_file_location("hubconf", ROOT / "hubconf.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    # torch.hub.list takes all that can be called and has no underscore in front.
    names = {name for name, value in vars(module).items() if callable(value) and not name.startswith("_")}
    assert names == {entry.name for entry in ENTRIES} | {"load_pretrained", "load_classifier"}
    assert "16 frames, one in 4" in module.byol_slow_r50_16x4_rho4.__doc__
    assert all(find_spec(name) for name in module.dependencies)


def test_a_short_name_takes_the_downloaded_file(tmp_path, monkeypatch):
    """What lies in the cache is not downloaded again."""
    monkeypatch.setenv("RHOVIDEO_CACHE", str(tmp_path))
    entry = entry_named("byol_slow_r50_8x8_rho4")
    cached = tmp_path / entry.url.removeprefix("https://")
    cached.parent.mkdir(parents=True)
    shutil.copy(REFERENCE / "byol_tiny_epoch_00200.pyth", cached)
    expected = load_pretrained(REFERENCE / "byol_tiny_epoch_00200.pyth", encoder="momentum")
    assert same(hub(entry.name, encoder="momentum"), expected)


def test_other_checkpoints_and_random_weights():
    source = REFERENCE / "moco_tiny_epoch_00200.pyth"
    assert same(hub("load_pretrained", str(source)), load_pretrained(source))
    classifier = hub("load_classifier", str(REFERENCE / "linear_tiny_epoch_00060.pyth"))
    assert classifier(torch.zeros(1, 3, 8, 32, 32)).shape == (1, 7)
    with torch.device("meta"):
        encoder = hub("swav_slow_r50_8x8_rho2", pretrained=False)
    assert encoder.dim == 2048
    assert not encoder.training


def test_the_zoo_page_names_every_checkpoint_with_its_file_and_its_figures():
    page = (ROOT / "MODEL_ZOO.md").read_text(encoding="utf-8")
    for entry in ENTRIES:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{entry.name}`"))
        assert entry.url in row
        for figure in entry.figures:
            assert f" {figure.value} " in row


def test_the_zoo_page_says_how_each_checkpoint_was_pretrained():
    section = (ROOT / "MODEL_ZOO.md").read_text(encoding="utf-8").split("## Pre-train one again")[1].split("\n## ")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| `")]
    assert {name.strip(" `") for name, _ in rows} == {entry.name for entry in ENTRIES}
    words: list[str] = []
    for name, recipe in rows:
        entry = entry_named(name.strip(" `"))
        parts = recipe.split(";")[0].split("`")[1::2]
        words = [*words, *parts[0].split()] if "the same" in recipe else [w for part in parts for w in part.split()]
        cfg = load_cfg(ROOT / "configs" / f"{words[0]}.yaml", words[1:])
        assert (cfg.CONTRASTIVE.TYPE, cfg.DATA.TRAIN_CROP_NUM_TEMPORAL) == (entry.method, entry.rho)
        assert (cfg.DATA.NUM_FRAMES, cfg.DATA.SAMPLING_RATE) == (entry.frames, entry.rate)
        # A machine's rate for the sum over the queries, in the files and in the words beside them.
        per_clip = {"moco": 0.025, "byol": 0.3, "simclr": 0.3, "swav": 0.3}[entry.method]
        assert cfg.SOLVER.BASE_LR == pytest.approx(per_clip * entry.rho)
