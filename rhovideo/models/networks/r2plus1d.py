"""R(2+1)D: every 3 x 3 x 3 convolution split into one over time and one over space (Tran et al., 2018)."""

from __future__ import annotations

from functools import partial

from fvcore.common.config import CfgNode
from pytorchvideo.layers.convolutions import create_conv_2plus1d
from pytorchvideo.models.r2plus1d import create_r2plus1d
from pytorchvideo.models.resnet import create_res_stage
from pytorchvideo.models.stem import create_res_basic_stem
from pytorchvideo.models.weight_init import init_net_weights
from torch import nn

from rhovideo.models.encoder import Encoder
from rhovideo.models.networks.basic_block import DEPTHS, create_basic_block
from rhovideo.models.networks.resnet import check_resnet, initialise_residual, relu
from rhovideo.models.sync_batchnorm import norm_layer

# Strides of the four stages in PyTorchVideo's R(2+1)D.
SPATIAL_STRIDES = (2, 2, 2, 2)
TEMPORAL_STRIDES = (1, 1, 2, 2)


def build_r2plus1d(cfg: CfgNode) -> Encoder:
    """R(2+1)D R-18 (basic blocks), R-50, R-101 or R-152 (bottlenecks); the map has a quarter of the frames."""
    check_resnet(cfg)
    width = cfg.RESNET.WIDTH_PER_GROUP
    if cfg.RESNET.DEPTH == 18:
        blocks, dim = _basic_blocks(cfg), 8 * width
    else:
        net = create_r2plus1d(
            model_depth=cfg.RESNET.DEPTH,
            norm=norm_layer(cfg),
            activation=relu(cfg),
            stem_dim_out=width,
            stage_spatial_stride=SPATIAL_STRIDES,
            stage_temporal_stride=TEMPORAL_STRIDES,
        )
        blocks, dim = net.blocks[:-1], 32 * width  # without the classifier
    initialise_residual(blocks, cfg)
    return Encoder(blocks, dim, cfg.MODEL.ACT_CHECKPOINT)


def _basic_blocks(cfg: CfgNode) -> nn.ModuleList:
    width, norm, activation = cfg.RESNET.WIDTH_PER_GROUP, norm_layer(cfg), relu(cfg)
    conv = partial(create_conv_2plus1d, norm=norm, activation=activation)
    blocks = [
        create_res_basic_stem(
            in_channels=3,
            out_channels=width,
            conv_kernel_size=(1, 7, 7),
            conv_padding=(0, 3, 3),
            pool=None,
            norm=norm,
            activation=activation,
        )
    ]
    for stage, depth in enumerate(DEPTHS):
        blocks.append(
            create_res_stage(
                depth=depth,
                dim_in=width * 2 ** max(0, stage - 1),
                dim_inner=width * 2**stage,
                dim_out=width * 2**stage,
                bottleneck=partial(create_basic_block, conv=conv),
                conv_a_kernel_size=(3, 3, 3),
                conv_a_stride=(TEMPORAL_STRIDES[stage], SPATIAL_STRIDES[stage], SPATIAL_STRIDES[stage]),
                conv_a_padding=(1, 1, 1),
                conv_b_kernel_size=(3, 3, 3),
                conv_b_stride=(1, 1, 1),
                conv_b_padding=(1, 1, 1),
                norm=norm,
                activation=activation,
            )
        )
    return init_net_weights(nn.ModuleList(blocks))
