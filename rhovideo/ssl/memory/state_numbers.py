"""Python numbers in a module's state: the host knows them without waiting for the device, checkpoints hold them."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn


class StateNumbers(nn.Module):
    """A module whose attributes in :attr:`numbers` are Python numbers, and entries of its ``state_dict``.

    There each is a 0-dim tensor on the CPU under its attribute's name, as a buffer would be: checkpoints that were
    written while it was a buffer load as they are. Unlike a buffer it is not moved to a device, not cast with the
    module, and not sent to other processes. So every process must come to the same number by itself. Only
    ``load_state_dict`` changes it from outside: a tensor of ``state_dict()`` is a copy.

    Attributes:
        numbers: name of each attribute, and the type of its tensor in a state.
    """

    numbers: ClassVar[dict[str, torch.dtype]] = {}

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name, dtype in self.numbers.items():
            destination[prefix + name] = torch.tensor(getattr(self, name), dtype=dtype, device="cpu")

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        others = (local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        super()._load_from_state_dict(state_dict, prefix, *others)
        for name in self.numbers:
            key = prefix + name
            if key in state_dict:
                setattr(self, name, state_dict[key].item())
                unexpected_keys[:] = [each for each in unexpected_keys if each != key]
            elif strict:
                missing_keys.append(key)
