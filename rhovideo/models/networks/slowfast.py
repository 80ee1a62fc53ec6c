"""SlowFast: a slow pathway of few frames, and a narrow fast one of many (Feichtenhofer et al., 2019)."""

from __future__ import annotations

import torch
from fvcore.common.config import CfgNode
from pytorchvideo.models.slowfast import create_slowfast
from torch import Tensor, nn

from rhovideo.errors import SettingError
from rhovideo.models.encoder import Encoder
from rhovideo.models.networks.resnet import check_resnet, initialise_residual, relu, temporal_kernels, total_stride
from rhovideo.models.sync_batchnorm import norm_layer

# Temporal kernels of the four stages, as in PySlowFast.
SLOW_KERNELS = ([1], [1], [3], [3])
FAST_KERNELS = ([3], [3], [3], [3])


class SlowFastEncoder(Encoder):
    """As :class:`Encoder`. Both pathways are averaged over time and joined, so T' is 1.

    Args:
        blocks: stages of both pathways, each fusing fast into slow.
        dim: channels of both pathways together.
        alpha: frames of the fast pathway for one of the slow pathway.
        checkpoint_activations: as in :class:`Encoder`.
        stride: as in :class:`Encoder`.
    """

    def __init__(
        self, blocks: nn.ModuleList, dim: int, alpha: int, checkpoint_activations: bool = False, stride: int = 32
    ) -> None:
        super().__init__(blocks, dim, checkpoint_activations, stride)
        self.alpha = alpha
        for block in blocks:
            # A list of pathways that is changed in place would be missing in the second pass of checkpointing.
            block.inplace = False  # type: ignore[assignment]

    def feature_map(self, x: Tensor) -> Tensor:
        """Clips [N,3,T,H,W] of the fast pathway's frames to [N,dim,1,H',W']."""
        x = self.input_of(x)
        pathways = [self._slow_frames(x), x]
        for block in self.blocks:
            pathways = self._run(block, pathways)
        return torch.cat([pathway.mean(dim=2, keepdim=True) for pathway in pathways], dim=1)

    def _slow_frames(self, x: Tensor) -> Tensor:
        """T/alpha frames, spread from the first to the last, the same as PySlowFast's."""
        frames = x.shape[2]
        if frames % self.alpha:
            raise ValueError(
                f"a clip of {frames} frames cannot be split by SLOWFAST.ALPHA {self.alpha}: "
                f"make DATA.NUM_FRAMES a multiple of it"
            )
        chosen = torch.linspace(0, frames - 1, frames // self.alpha, device=x.device).long()
        return x.index_select(2, chosen)


def build_slowfast(cfg: CfgNode) -> SlowFastEncoder:
    """SlowFast R-50, R-101 or R-152 as RESNET and SLOWFAST say; DATA.NUM_FRAMES is the fast pathway's.

    Raises:
        SettingError: the fast pathway would have no channels, or RESNET asks for something that is not built.
    """
    check_resnet(cfg)
    width, beta, alpha = cfg.RESNET.WIDTH_PER_GROUP, cfg.SLOWFAST.BETA_INV, cfg.SLOWFAST.ALPHA
    if cfg.RESNET.DEPTH == 18:
        raise SettingError("RESNET.DEPTH is 18: SlowFast is built at 50, 101 and 152", "RESNET.DEPTH", "MODEL.ARCH")
    if width % beta:
        raise SettingError(
            f"RESNET.WIDTH_PER_GROUP {width} is no multiple of SLOWFAST.BETA_INV {beta}: "
            f"write a width of {beta * max(1, round(width / beta))} or a smaller BETA_INV",
            *("RESNET.WIDTH_PER_GROUP", "SLOWFAST.BETA_INV"),
        )
    kernels = [
        tuple([(kernel, 1, 1) for kernel in stage] for stage in temporal_kernels(cfg, basis, pathway))
        for pathway, basis in enumerate((SLOW_KERNELS, FAST_KERNELS))
    ]
    strides = tuple(stride[0] for stride in cfg.RESNET.SPATIAL_STRIDES)
    dilations = tuple((1, dilation[0], dilation[0]) for dilation in cfg.RESNET.SPATIAL_DILATIONS)
    net = create_slowfast(
        slowfast_channel_reduction_ratio=(beta,),
        slowfast_conv_channel_fusion_ratio=cfg.SLOWFAST.FUSION_CONV_CHANNEL_RATIO,
        slowfast_fusion_conv_kernel_size=(cfg.SLOWFAST.FUSION_KERNEL_SZ, 1, 1),
        slowfast_fusion_conv_stride=(alpha, 1, 1),
        model_depth=cfg.RESNET.DEPTH,
        norm=norm_layer(cfg),
        activation=relu(cfg),
        stem_dim_outs=(width, width // beta),
        stage_conv_a_kernel_sizes=tuple(kernels),
        stage_conv_b_dilations=(dilations, dilations),
        stage_spatial_strides=(strides, strides),
        head=None,
        head_pool=None,
    )
    blocks = net.blocks[:-1]  # without the pool, which has no parameters
    initialise_residual(blocks, cfg)
    return SlowFastEncoder(
        blocks, 32 * (width + width // beta), alpha, cfg.MODEL.ACT_CHECKPOINT, stride=total_stride(cfg)
    )
