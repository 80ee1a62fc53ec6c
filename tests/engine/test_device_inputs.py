from __future__ import annotations

import pytest
import torch

from rhovideo.config import load_cfg
from rhovideo.config.schema import get_cfg
from rhovideo.engine.device_inputs import to_network_input, use_sound_kernels


@pytest.mark.parametrize("pinned", [False, True])
def test_only_page_locked_clips_are_moved_while_the_program_goes_on(pinned):
    """A copy out of other memory is not safe to go on beside for every kind of device."""
    asked = []

    class Clips(torch.Tensor):
        def is_pinned(self):
            return pinned

        def to(self, *arguments, **keys):
            asked.append(keys)
            return self.as_subclass(torch.Tensor)

    clips = torch.randint(0, 256, (2, 3, 4, 8, 8, 3), dtype=torch.uint8)
    found = to_network_input(clips.as_subclass(Clips), get_cfg(), torch.device("cpu"))
    assert asked == [{"non_blocking": pinned}]
    assert torch.equal(found, to_network_input(clips, get_cfg(), torch.device("cpu")))


def test_fast_kernels_are_off_for_bfloat16_alone():
    recipe, before = "pretrain/MoCo_SlowR50_8x8_paper", torch.backends.mkldnn.enabled
    try:
        use_sound_kernels(load_cfg(recipe, ["NUM_GPUS", 0]))
        assert not torch.backends.mkldnn.enabled
        use_sound_kernels(load_cfg(recipe))
        assert torch.backends.mkldnn.enabled
    finally:
        torch.backends.mkldnn.enabled = before


def test_clips_are_standardised_where_it_is_asked_for():
    """Two clips that differ in brightness and contrast alone become the same input."""
    cfg = get_cfg()
    cfg.DATA.STANDARDISE_CLIPS = True
    dark = torch.randint(0, 100, (1, 1, 4, 8, 8, 3), dtype=torch.uint8)
    both = torch.cat([dark, 2 * dark + 30])
    found = to_network_input(both, cfg, torch.device("cpu"))
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-3)
    cfg.DATA.STANDARDISE_CLIPS = False
    plain = to_network_input(both, cfg, torch.device("cpu"))
    assert not torch.allclose(plain[0], plain[1], atol=0.1)
