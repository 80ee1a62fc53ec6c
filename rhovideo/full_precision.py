"""Leaving autocast for what half precision would spoil."""

from __future__ import annotations

import torch


def outside_autocast(device: torch.device) -> torch.autocast:
    """Run what follows in the precision of its inputs, also where autocast is on.

    Args:
        device: of the inputs. The meta device computes nothing and knows no autocast, so the CPU's is left there.
    """
    return torch.autocast("cpu" if device.type == "meta" else device.type, enabled=False)
