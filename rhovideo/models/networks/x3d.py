"""X3D: a small network grown along time, space, width and depth (Feichtenhofer, 2020)."""

from __future__ import annotations

from typing import Any

from fvcore.common.config import CfgNode
from pytorchvideo.models.x3d import create_x3d
from torch import Tensor, nn

from rhovideo.models.encoder import Encoder, average_windows
from rhovideo.models.networks.resnet import initialise_residual, relu
from rhovideo.models.sync_batchnorm import norm_layer


class X3DEncoder(Encoder):
    """As :class:`Encoder`, but X3D widens its feature to X3D.DIM_C5 *after* the pool, with a ReLU.

    ``feature_map`` widens at each place, so its mean is not the pooled feature. ``blocks.5.pool`` holds the
    convolutions around the pool, under PyTorchVideo's names.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Clips [N,3,T,H,W] to features [N,dim]."""
        return self._widen(self._narrow_map(x).mean(dim=(2, 3, 4), keepdim=True)).flatten(1)

    def feature_map(self, x: Tensor) -> Tensor:
        """Clips [N,3,T,H,W] to local features [N,dim,T,H',W']."""
        return self._widen(self._narrow_map(x))

    def window_features(self, x: Tensor, size: int) -> Tensor:
        """As in :class:`Encoder`: [N,dim,h,w]."""
        return self._widen(average_windows(self._narrow_map(x), size).unsqueeze(2)).squeeze(2)

    def _narrow_map(self, x: Tensor) -> Tensor:
        x = self.input_of(x)
        *stages, head = self.blocks
        for stage in stages:
            x = self._run(stage, x)
        pool: Any = head.pool
        return pool.pre_act(pool.pre_norm(pool.pre_conv(x)))

    def _widen(self, x: Tensor) -> Tensor:
        pool: Any = self.blocks[-1].pool
        return pool.post_act(pool.post_conv(x))


def build_x3d(cfg: CfgNode) -> X3DEncoder:
    """X3D with the settings of the X3D section."""
    net = create_x3d(
        # The builder uses clip and crop only for a pool, which is not kept.
        input_clip_length=1,
        input_crop_size=32,
        dropout_rate=0.0,
        width_factor=cfg.X3D.WIDTH_FACTOR,
        depth_factor=cfg.X3D.DEPTH_FACTOR,
        bottleneck_factor=cfg.X3D.BOTTLENECK_FACTOR,
        norm=norm_layer(cfg),
        activation=relu(cfg),
        stem_dim_in=cfg.X3D.DIM_C1,
        head_dim_out=cfg.X3D.DIM_C5,
        head_activation=None,
    )
    head = net.blocks[-1]
    head.pool.pool = nn.Identity()
    head.proj = None
    initialise_residual(net.blocks, cfg)
    return X3DEncoder(net.blocks, cfg.X3D.DIM_C5, cfg.MODEL.ACT_CHECKPOINT)
