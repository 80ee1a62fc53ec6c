"""MViT: a transformer that trades resolution for channels from block to block (Fan et al., 2021)."""

from __future__ import annotations

import torch
from fvcore.common.config import CfgNode
from pytorchvideo.models.vision_transformers import (
    MultiscaleVisionTransformers,
    create_multiscale_vision_transformers,
)
from torch import Tensor

from rhovideo.errors import SettingError
from rhovideo.models.encoder import Encoder


class MViTEncoder(Encoder):
    """As :class:`Encoder`. The pooled feature is that of the class token; without one, the mean over all tokens.

    Its positions are learned for one size of clips, so it takes no other, and a test crop is one window.

    Args:
        net: PyTorchVideo's network without a head.
        frames: T of the clips that it is built for.
        crop: height and width of these clips, in pixels.
        checkpoint_activations: as in :class:`Encoder`.
    """

    def __init__(
        self, net: MultiscaleVisionTransformers, frames: int, crop: int, checkpoint_activations: bool = False
    ) -> None:
        super().__init__(net.blocks, net.norm_embed.normalized_shape[0], checkpoint_activations)
        self.patch_embed = net.patch_embed
        self.cls_positional_encoding = net.cls_positional_encoding
        self.pos_drop = net.pos_drop
        self.norm_embed = net.norm_embed
        self.clip_shape = (frames, crop, crop)

    def forward(self, x: Tensor) -> Tensor:
        """Clips [N,3,T,H,W] to features [N,dim]."""
        tokens, _ = self._tokens(x)
        return tokens[:, 0] if self._has_class_token else tokens.mean(dim=1)

    def feature_map(self, x: Tensor) -> Tensor:
        """Clips [N,3,T,H,W] to the patches' features [N,dim,T',H',W'], without the class token."""
        tokens, grid = self._tokens(x)
        patches = tokens[:, 1:] if self._has_class_token else tokens
        return patches.transpose(1, 2).unflatten(2, list(grid))

    def window_features(self, x: Tensor, size: int) -> Tensor:
        """The pooled feature as the only window: [N,dim,1,1]."""
        return self.forward(x)[:, :, None, None]

    @property
    def _has_class_token(self) -> bool:
        return self.cls_positional_encoding.cls_embed_on

    def _tokens(self, x: Tensor) -> tuple[Tensor, list[int]]:
        x = self.input_of(x)
        if tuple(x.shape[2:]) != self.clip_shape:
            raise ValueError(
                f"this MViT is built for clips of {self.clip_shape} (T, H, W), not {tuple(x.shape[2:])}: "
                f"write the same DATA.NUM_FRAMES, and DATA.TEST_CROP_SIZE as DATA.TRAIN_CROP_SIZE"
            )
        x = self.cls_positional_encoding(self.patch_embed(x))
        if self.pos_drop is not None:
            x = self.pos_drop(x)
        grid = self.cls_positional_encoding.patch_embed_shape
        for block in self.blocks:
            x, grid = self._run(block, x, grid)
        return self.norm_embed(x), grid


def build_mvit(cfg: CfgNode) -> MViTEncoder:
    """MViT with the settings of the MVIT section, for clips of DATA.NUM_FRAMES and DATA.TRAIN_CROP_SIZE.

    Raises:
        SettingError: a clip is no whole number of patches.
    """
    mvit, frames, crop = cfg.MVIT, cfg.DATA.NUM_FRAMES, cfg.DATA.TRAIN_CROP_SIZE
    stride = list(mvit.PATCH_STRIDE)
    if frames % stride[0] or crop % stride[1] or crop % stride[2]:
        raise SettingError(
            f"clips of DATA.NUM_FRAMES {frames} and DATA.TRAIN_CROP_SIZE {crop} are no whole number of "
            f"patches of MVIT.PATCH_STRIDE {stride}: write multiples of it",
            *("DATA.NUM_FRAMES", "DATA.TRAIN_CROP_SIZE", "MVIT.PATCH_STRIDE"),
        )
    # PyTorchVideo reads numbers from tensors while it builds. Tensors on the meta device have none.
    device = torch.get_default_device()
    with torch.device("cpu"):
        net = _network(cfg, stride, frames, crop)
    return MViTEncoder(net.to(device), frames, crop, cfg.MODEL.ACT_CHECKPOINT)


def _network(cfg: CfgNode, stride: list[int], frames: int, crop: int) -> MultiscaleVisionTransformers:
    mvit = cfg.MVIT
    return create_multiscale_vision_transformers(
        spatial_size=crop,
        temporal_size=frames,
        cls_embed_on=mvit.CLS_EMBED_ON,
        sep_pos_embed=mvit.SEP_POS_EMBED,
        depth=mvit.DEPTH,
        patch_embed_dim=mvit.EMBED_DIM,
        conv_patch_embed_kernel=tuple(mvit.PATCH_KERNEL),
        conv_patch_embed_stride=tuple(stride),
        conv_patch_embed_padding=tuple(mvit.PATCH_PADDING),
        num_heads=mvit.NUM_HEADS,
        mlp_ratio=mvit.MLP_RATIO,
        qkv_bias=mvit.QKV_BIAS,
        dropout_rate_block=mvit.DROPOUT_RATE,
        droppath_rate_block=mvit.DROPPATH_RATE,
        embed_dim_mul=[list(row) for row in mvit.DIM_MUL],
        atten_head_mul=[list(row) for row in mvit.HEAD_MUL],
        pool_q_stride_size=[list(row) for row in mvit.POOL_Q_STRIDE],
        pool_kv_stride_adaptive=list(mvit.POOL_KV_STRIDE_ADAPTIVE),
        pool_kvq_kernel=list(mvit.POOL_KVQ_KERNEL),
        head=None,
    )
