"""VICReg over rho clips (Bardes et al., arXiv 2105.04906): a fifth method in one file, added from outside of rhovideo.

python examples/vicreg.py      pre-trains a tiny network on synthetic videos, in two minutes on two cores
rhovideo run --cfg my.yaml     with this file beside my.yaml, which holds PLUGINS: [vicreg] and
                               CONTRASTIVE: {TYPE: vicreg, NUM_MLP_LAYERS: 3, BN_MLP: True}
"""

import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn
from torch.nn.functional import mse_loss, relu

import rhovideo
from rhovideo.cli import main
from rhovideo.demo import write_synthetic
from rhovideo.distributed import gather_with_gradient
from rhovideo.models import build_projection
from rhovideo.ssl.diagnostics import embedding_std, negative_similarity, positive_similarity
from rhovideo.ssl.interface import check_views, sum_of_losses
from rhovideo.ssl.losses import unit

rhovideo.register_key("VICREG.INVARIANCE", 25.0, "Weight of the distance between a video's clips.", at_least=0)
rhovideo.register_key("VICREG.VARIANCE", 25.0, "Weight of the lack of spread in each dimension.", at_least=0)
rhovideo.register_key("VICREG.COVARIANCE", 1.0, "Weight of the covariance of two dimensions.", at_least=0)


class VICReg(nn.Module):
    forward = sum_of_losses

    def __init__(self, encoder: nn.Module, projection: nn.Module, weights: tuple[float, float, float]) -> None:
        super().__init__()
        self.encoder, self.projection, self.weights = encoder, projection, weights
        self.signals: dict[str, Tensor] = {}
        self.embeddings = torch.empty(0)

    def embed(self, x: Tensor) -> Tensor:
        return unit(self.projection(self.encoder(x)))

    def num_losses(self, num_views: int) -> int:
        return 1

    def losses(self, views: list[Tensor], progress: float = 0.0) -> Iterator[Tensor]:
        check_views(views)
        own = torch.stack([self.projection(self.encoder(view)) for view in views])  # [V, B, D]
        z = gather_with_gradient(own.transpose(0, 1)).transpose(0, 1)  # of all processes
        invariance = torch.stack([mse_loss(one, other) for one, other in combinations(z, 2)]).mean()
        centred = z - z.mean(dim=1, keepdim=True)
        covariance = centred.transpose(1, 2) @ centred / (z.shape[1] - 1)  # [V, D, D]
        variances = covariance.diagonal(dim1=1, dim2=2)
        variance = relu(1 - (variances + 1e-4).sqrt()).mean()
        # The published code sums over its two views, and this is the same sum for two.
        between = 2 * (covariance.square().sum() - variances.square().sum()) / variances.numel()
        rows = unit(own.detach())
        self.embeddings, self.signals = rows[0], {"embedding_std": embedding_std(rows[0])}
        self.signals["positive_similarity"] = positive_similarity(rows)
        self.signals["negative_similarity"] = negative_similarity(rows)
        yield self.weights[0] * invariance + self.weights[1] * variance + self.weights[2] * between

    def after_backward(self, progress: float, step: int) -> bool:
        return True


@rhovideo.register_method("vicreg")
def build_vicreg(cfg: CfgNode, encoder: nn.Module) -> VICReg:
    weights = (cfg.VICREG.INVARIANCE, cfg.VICREG.VARIANCE, cfg.VICREG.COVARIANCE)
    return VICReg(encoder, build_projection(cfg, encoder.dim), weights)


if __name__ == "__main__":
    out, recipe = Path("outputs/vicreg"), Path(__file__).parents[1] / "configs/demo/_pretrain_.yaml"
    write_synthetic(out / "videos", num_classes=3, train_videos=64, val_videos=12, seconds=3)
    words = f"PLUGINS [vicreg] CONTRASTIVE.TYPE vicreg OUTPUT_DIR {out}/run DATA.PATH_TO_DATA_DIR {out}/videos"
    sys.exit(main(["run", "--cfg", str(recipe), *f"{words} SOLVER.MAX_EPOCH 20 LOG_PERIOD 4".split(), *sys.argv[1:]]))
