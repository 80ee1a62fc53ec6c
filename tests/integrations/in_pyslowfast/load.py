"""Load exported checkpoints with PySlowFast's own loader, and write what the models compute.

python load.py OUT.pt FILE.pyth ...
"""

from __future__ import annotations

import sys

import slowfast.models.optimizer as optim
import slowfast.utils.checkpoint as checkpoints
import torch
from fvcore.common.config import CfgNode
from slowfast.config.defaults import get_cfg
from slowfast.models import build_model

from tests.integrations.in_pyslowfast.networks import pathways
from tests.zoo.drawn_weights import clip


def load(path: str) -> dict[str, object]:
    """The state after loading, the epoch that was found, the tensors of the optimizer's state, the pooled feature of a
    clip and what the network makes of it."""
    cfg = get_cfg()
    cfg.merge_from_other_cfg(CfgNode.load_cfg(torch.load(path, weights_only=True)["cfg"]))
    cfg.NUM_GPUS = 0
    torch.manual_seed(5)
    model = build_model(cfg)
    optimizer = optim.construct_optimizer(model, cfg)
    epoch = checkpoints.load_checkpoint(path, model, False, optimizer, None)
    model.eval()
    network = model.backbone if cfg.MODEL.MODEL_NAME == "ContrastiveModel" else model
    features: list[torch.Tensor] = []
    network.head.projection.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0].flatten()))
    with torch.no_grad():
        output = network(pathways(clip(), cfg))
    kept = getattr(optimizer, "optim", optimizer).state  # LARS wraps the optimizer
    numbers = {"epoch": epoch, "momenta": len(kept)}
    return {"state": model.state_dict(), "feature": features[0], "output": output, **numbers}


if __name__ == "__main__":
    torch.save({path: load(path) for path in sys.argv[2:]}, sys.argv[1])
