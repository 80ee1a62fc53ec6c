"""An encoder with a head on boxes: the actions of each person in a clip."""

from __future__ import annotations

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.ops import roi_align

from rhovideo.models.backbones import build_backbone
from rhovideo.models.encoder import Encoder
from rhovideo.models.heads import ClassificationHead


class BoxHead(ClassificationHead):
    """Scores of classes for each box: RoIAlign on a map, the maximum over a box's cells, dropout, one linear layer.

    A box without an area has the feature 0 (He et al., Mask R-CNN, 2017, for RoIAlign; the head of Feichtenhofer et
    al., SlowFast Networks, 2019).

    Args:
        dim: channels of the map.
        num_classes: number of scores.
        stride: pixels of the clip for a cell of the map (DETECTION.SPATIAL_SCALE_FACTOR).
        resolution: cells of a box along each side (DETECTION.ROI_XFORM_RESOLUTION).
        aligned: shift boxes by half a cell, so that pixels' centres and cells' centres agree (DETECTION.ALIGNED).
        dropout: probability that an entry of a box's feature is dropped in training.
        init_std: standard deviation of the initial weights; the bias starts at 0.
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        *,
        stride: int = 16,
        resolution: int = 7,
        aligned: bool = True,
        dropout: float = 0.0,
        init_std: float = 0.01,
    ) -> None:
        super().__init__(dim, num_classes, dropout, init_std)
        self.stride = stride
        self.resolution = resolution
        self.aligned = aligned

    def features(self, maps: Tensor, boxes: Tensor) -> Tensor:
        """The feature of each box.

        Args:
            maps: [B,dim,h,w].
            boxes: [N,5], each box's clip, from 0, and x1, y1, x2, y2 in pixels of the clip.

        Returns:
            [N,dim].
        """
        if maps.dtype in (torch.float16, torch.bfloat16):
            # A corner in half precision would be some pixels off.
            maps = maps.float()
        size = (self.resolution, self.resolution)
        cells = roi_align(maps, boxes.to(maps.dtype), size, 1.0 / self.stride, sampling_ratio=0, aligned=self.aligned)
        return cells.amax(dim=(2, 3))


class Detector(nn.Module):
    """Scores of K classes for each box of a clip.

    Args:
        encoder: clips to feature maps, an :class:`Encoder` or anything with ``dim`` and ``feature_map``.
        head: on the boxes.
        frozen_norm: keep the encoder's batch norms in eval mode.
    """

    def __init__(self, encoder: Encoder, head: BoxHead, frozen_norm: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.frozen_norm = frozen_norm

    def train(self, mode: bool = True) -> Detector:
        """Training mode for all parts; frozen batch norms stay in eval mode."""
        super().train(mode)
        if mode and self.frozen_norm:
            for module in self.encoder.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, clips: Tensor, boxes: Tensor) -> Tensor:
        """Clips [B,3,T,H,W], normalised, and boxes [N,5] (clip, x1, y1, x2, y2 in pixels) to scores [N,K] in 0..1."""
        return self.logits(clips, boxes).sigmoid()

    def logits(self, clips: Tensor, boxes: Tensor) -> Tensor:
        """As :meth:`forward`, before the sigmoid."""
        check_boxes(boxes, len(clips))
        return self.head(self.features(clips, boxes))

    def features(self, clips: Tensor, boxes: Tensor) -> Tensor:
        """Features of the boxes [N,dim], before dropout: of the mean of the map over time."""
        return self.head.features(self.encoder.feature_map(clips).mean(dim=2), boxes)


def check_boxes(boxes: Tensor, clips: int) -> None:
    """Raise a ValueError, with what to write, unless boxes are [N,5].

    Args:
        boxes: to check. Their values are not looked at, which would make the host wait for the device.
        clips: the number of clips.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ValueError(
            f"a detector takes boxes [N, 5], each the number of its clip (0 to {clips - 1}) and x1, y1, x2, y2 in "
            f"pixels, and got {list(boxes.shape)}"
        )


def build_detector(cfg: CfgNode) -> Detector:
    """The encoder that MODEL.ARCH names, with a head on boxes for MODEL.NUM_CLASSES classes.

    Args:
        cfg: the configuration; its DETECTION, MODEL and RESNET sections are used.

    Raises:
        ValueError: see :func:`rhovideo.models.build_backbone`.
        TypeError: a registered encoder has no feature map.
    """
    encoder = build_backbone(cfg)
    if not hasattr(encoder, "feature_map"):
        raise TypeError(
            f"the encoder of MODEL.ARCH {cfg.MODEL.ARCH}, a {type(encoder).__name__}, has no feature map: add a method "
            "feature_map(clips) that returns [N, C, T, H, W]"
        )
    head = BoxHead(
        encoder.dim,
        cfg.MODEL.NUM_CLASSES,
        stride=cfg.DETECTION.SPATIAL_SCALE_FACTOR,
        resolution=cfg.DETECTION.ROI_XFORM_RESOLUTION,
        aligned=cfg.DETECTION.ALIGNED,
        dropout=cfg.MODEL.DROPOUT_RATE,
        init_std=cfg.MODEL.FC_INIT_STD,
    )
    return Detector(encoder, head, frozen_norm=bool(cfg.MODEL.FROZEN_BN))
