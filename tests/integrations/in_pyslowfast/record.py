"""Write tests/zoo/slowfast_outputs.json: what PySlowFast computes with weights drawn from the tensors' names.

PYTHONPATH=CHECKOUT:. python tests/integrations/in_pyslowfast/record.py tests/zoo/slowfast_outputs.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from slowfast.models import build_model

from tests.integrations.in_pyslowfast.networks import CASES, configuration, pathways
from tests.zoo.drawn_weights import clip, drawn


def record(arch: str, depth: int, alpha: int, kernel: int, temporal: list) -> dict:
    """Of one network: every n-th entry of the pooled feature, about twelve, and the softmax of five classes."""
    cfg = configuration(arch, depth, alpha, kernel, temporal)
    model = build_model(cfg).eval()
    model.load_state_dict({name: drawn(name, tuple(value.shape)) for name, value in model.state_dict().items()})
    features: list[torch.Tensor] = []
    model.head.projection.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0].flatten()))
    with torch.no_grad():
        scores = model(pathways(clip(), cfg))[0]
    (feature,) = features
    return {
        "settings": {"arch": arch, "depth": depth, "fusion_kernel": kernel, "temporal": temporal},
        "tensors": len(model.state_dict()),
        "feature_size": len(feature),
        "feature": [round(float(value), 7) for value in feature[:: max(1, len(feature) // 12)]],
        "scores": [round(float(value), 8) for value in scores],
    }


if __name__ == "__main__":
    found = {name: record(*case) for name, case in CASES.items()}
    lines = [f" {json.dumps(name)}: {json.dumps(case)}" for name, case in found.items()]
    Path(sys.argv[1]).write_text("{\n" + ",\n".join(lines) + "\n}\n")
