"""R-18, made of PyTorchVideo's stage and block parts. PyTorchVideo's own builders know only bottleneck depths."""

from __future__ import annotations

from collections.abc import Callable

from pytorchvideo.models.resnet import create_res_stage
from pytorchvideo.models.stem import create_res_basic_stem
from pytorchvideo.models.weight_init import init_net_weights
from torch import Tensor, nn

from rhovideo.models.sync_batchnorm import Norm

DEPTHS = (2, 2, 2, 2)


class BasicBlock(nn.Module):
    """The residual branch of R-18: a T x 3 x 3 convolution, then a 1 x 3 x 3 one, each with its batch norm.

    Parts are named as in PyTorchVideo's bottleneck: conv_a, norm_a, act_a, conv_b, norm_b.
    """

    def __init__(
        self, conv_a: nn.Module, norm_a: nn.Module, act_a: nn.Module, conv_b: nn.Module, norm_b: nn.Module
    ) -> None:
        super().__init__()
        self.conv_a = conv_a
        self.norm_a = norm_a
        self.act_a = act_a
        self.conv_b = conv_b
        self.norm_b = norm_b
        # The mark by which PyTorchVideo's initialisation, and ours, find the last norm of a branch.
        self.norm_b.block_final_bn = True  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        x = self.act_a(self.norm_a(self.conv_a(x)))
        return self.norm_b(self.conv_b(x))


def create_basic_block(
    *,
    dim_in: int,
    dim_out: int,
    conv_a_kernel_size: tuple[int, int, int],
    conv_a_stride: tuple[int, int, int],
    conv_a_padding: tuple[int, int, int],
    conv_b_kernel_size: tuple[int, int, int],
    conv_b_stride: tuple[int, int, int],
    conv_b_padding: tuple[int, int, int],
    conv_b_dilation: tuple[int, int, int],
    norm: Norm,
    norm_eps: float,
    norm_momentum: float,
    activation: Callable[[], nn.Module],
    conv: Callable[..., nn.Module] = nn.Conv3d,
    **bottleneck_only: object,
) -> BasicBlock:
    """A :class:`BasicBlock` from the arguments that PyTorchVideo's ``create_res_block`` passes on, and ``conv``."""
    return BasicBlock(
        conv_a=conv(
            in_channels=dim_in,
            out_channels=dim_out,
            kernel_size=conv_a_kernel_size,
            stride=conv_a_stride,
            padding=conv_a_padding,
            bias=False,
        ),
        norm_a=norm(num_features=dim_out, eps=norm_eps, momentum=norm_momentum),
        act_a=activation(),
        conv_b=conv(
            in_channels=dim_out,
            out_channels=dim_out,
            kernel_size=conv_b_kernel_size,
            stride=conv_b_stride,
            padding=conv_b_padding,
            dilation=conv_b_dilation,
            bias=False,
        ),
        norm_b=norm(num_features=dim_out, eps=norm_eps, momentum=norm_momentum),
    )


def basic_blocks(
    *,
    width: int,
    expansion: int = 1,
    pool: int,
    stem_kernel: int,
    kernels: list[list[int]],
    strides: list[int],
    dilations: list[tuple[int, int, int]],
    norm: Norm,
    activation: Callable[[], nn.Module],
) -> nn.ModuleList:
    """The stem and the four stages of R-18, with 1, 2, 4 and 8 times ``expansion * width`` channels.

    Args:
        width: channels of the stem.
        expansion: channels of the first stage, divided by those of the stem.
        pool: frames that a max pool after the first stage joins; 1: no pool.
        stem_kernel: frames under the stem's convolution.
        kernels: frames under the first convolution of each block, one list for each stage.
        strides: spatial stride of each stage.
        dilations: dilation of the second convolution, one triple for each stage.
        norm: batch norm.
        activation: makes a ReLU.
    """
    stem = create_res_basic_stem(
        in_channels=3,
        out_channels=width,
        conv_kernel_size=(stem_kernel, 7, 7),
        conv_padding=(stem_kernel // 2, 3, 3),
        norm=norm,
        activation=activation,
    )
    blocks = [stem]
    dim_in = width
    for stage in range(len(DEPTHS)):
        dim_out = expansion * width * 2**stage
        blocks.append(
            create_res_stage(
                depth=DEPTHS[stage],
                dim_in=dim_in,
                dim_inner=dim_out,
                dim_out=dim_out,
                bottleneck=create_basic_block,
                conv_a_kernel_size=[(kernel, 3, 3) for kernel in kernels[stage]],
                conv_a_stride=(1, strides[stage], strides[stage]),
                conv_a_padding=[(kernel // 2, 1, 1) for kernel in kernels[stage]],
                conv_b_stride=(1, 1, 1),
                conv_b_padding=(0, *dilations[stage][1:]),
                conv_b_dilation=dilations[stage],
                norm=norm,
                activation=activation,
            )
        )
        if stage == 0 and pool > 1:
            blocks.append(nn.MaxPool3d(kernel_size=(pool, 1, 1), stride=(pool, 1, 1)))
        dim_in = dim_out
    return init_net_weights(nn.ModuleList(blocks))
