"""Keys of the network: MODEL, one section for each family of architectures, and BN."""

from __future__ import annotations

from rhovideo.config.extension.registries import BACKBONES
from rhovideo.config.schema.definition import Key

# A key is a line or two, so that a section can be read at a glance.
# fmt: off

MODEL = (
    Key("MODEL.ARCH", "slow", "The encoder's architecture.", choices=BACKBONES),
    Key("MODEL.MODEL_NAME", "", "The class that PySlowFast builds. Here the task decides, and it is read of "
        "checkpoints alone."),
    Key("MODEL.NUM_CLASSES", 400, "Classes of the classifier.", at_least=1),
    Key("MODEL.LOSS_FUNC", "cross_entropy", "The classifier's loss: cross_entropy, or the binary cross-entropy of each "
        "class: bce_logit, which DATA.MULTI_LABEL needs and sets, and bce, TASK detection's."),
    Key("MODEL.DROPOUT_RATE", 0.5, "Share of the feature's entries dropped before the classifier.", at_least=0,
        at_most=1),
    Key("MODEL.FC_INIT_STD", 0.01, "Standard deviation of the classifier's first weights."),
    Key("MODEL.HEAD_ACT", "softmax", "What makes test scores of logits.", choices=("softmax", "sigmoid", "none")),
    Key("MODEL.DETACH_FINAL_FC", False, "Stop the gradient before the classifier: the linear protocol."),
    Key("MODEL.FROZEN_BN", None, "The encoder's batch norms in eval mode. Empty: True for TASK linear, else False.",
        "bool", released="False is the default of linear too: batch norm stays in training mode. A file of "
        "PySlowFast's does so here too."),
    Key("MODEL.ACT_CHECKPOINT", False, "Compute activations again in the backward pass, which saves memory and costs "
        "time; not with COMPILE."),
    Key("MODEL.CHANNELS_LAST", False, "Lay the weights of 3-D convolutions out channels last, as the clips are.",
        ours=True),
    Key("MODEL.COMPILE", False, "torch.compile the encoders. It needs a C++ compiler, and minutes in the first step.",
        ours=True),
)

RESNET = (
    Key("RESNET.DEPTH", 50, "Layers.", choices=(18, 50, 101, 152)),
    Key("RESNET.WIDTH_PER_GROUP", 64, "Channels of the stem. The pooled feature of a bottleneck network has 32 times "
        "as many.", at_least=1),
    Key("RESNET.BASIC_EXPANSION", 1, "Channels of R-18's first stage over those of its stem: 1 (64 to 512 channels) or "
        "PySlowFast's 4.", ours=True),
    Key("RESNET.NUM_GROUPS", 1, "Groups of each convolution.", fixed=True),
    Key("RESNET.STRIDE_1X1", False, "Stride in the first convolution of a bottleneck, not in the second.", fixed=True),
    Key("RESNET.INPLACE_RELU", True, "ReLU that overwrites its input, which saves memory."),
    Key("RESNET.ZERO_INIT_FINAL_BN", False, "Scale of each block's last batch norm begins at 0."),
    Key("RESNET.ZERO_INIT_FINAL_CONV", False, "Weights of each block's last convolution begin at 0."),
    Key("RESNET.NUM_BLOCK_TEMP_KERNEL", [[3], [4], [6], [3]], "Blocks of each stage, from its first on, whose "
        "convolutions reach over time; one number for each pathway."),
    Key("RESNET.SPATIAL_STRIDES", [[1], [2], [2], [2]], "Stride of each stage, for each pathway."),
    Key("RESNET.SPATIAL_DILATIONS", [[1], [1], [1], [1]], "Dilation of each stage, for each pathway."),
)

SLOWFAST = (
    Key("SLOWFAST.BETA_INV", 8, "Channels of the slow pathway over those of the fast one."),
    Key("SLOWFAST.ALPHA", 8, "Frames of the fast pathway over those of the slow one."),
    Key("SLOWFAST.FUSION_CONV_CHANNEL_RATIO", 2, "Channels that the fast pathway gives the slow one, over its own."),
    Key("SLOWFAST.FUSION_KERNEL_SZ", 5, "Frames that the fusing convolution reaches over."),
)

X3D = (
    Key("X3D.WIDTH_FACTOR", 1.0, "Factor of the channels."),
    Key("X3D.DEPTH_FACTOR", 1.0, "Factor of the blocks of each stage."),
    Key("X3D.BOTTLENECK_FACTOR", 1.0, "Channels inside of a block over those outside."),
    Key("X3D.DIM_C5", 2048, "Size of the pooled feature."),
    Key("X3D.DIM_C1", 12, "Channels of the stem, before WIDTH_FACTOR."),
)

MVIT = (
    Key("MVIT.EMBED_DIM", 96, "Channels of the first block."),
    Key("MVIT.NUM_HEADS", 1, "Attention heads of the first block."),
    Key("MVIT.DEPTH", 16, "Blocks."),
    Key("MVIT.MLP_RATIO", 4.0, "Hidden width of a block's MLP over its channels."),
    Key("MVIT.QKV_BIAS", True, "Biases for queries, keys and values."),
    Key("MVIT.DROPPATH_RATE", 0.1, "Probability that the last block is left out in training; it rises from 0."),
    Key("MVIT.DROPOUT_RATE", 0.0, "Dropout inside of the blocks."),
    Key("MVIT.PATCH_KERNEL", [3, 7, 7], "Size [T, H, W] of a patch."),
    Key("MVIT.PATCH_STRIDE", [2, 4, 4], "Stride [T, H, W] of the patches."),
    Key("MVIT.PATCH_PADDING", [1, 3, 3], "Padding [T, H, W] of the clip."),
    Key("MVIT.CLS_EMBED_ON", True, "A class token."),
    Key("MVIT.SEP_POS_EMBED", True, "Positions in space and in time encoded one by one."),
    Key("MVIT.DIM_MUL", [[1, 2.0], [3, 2.0], [14, 2.0]], "Blocks from which the channels are multiplied, and by what."),
    Key("MVIT.HEAD_MUL", [[1, 2.0], [3, 2.0], [14, 2.0]], "Blocks from which the heads are multiplied, and by what."),
    Key("MVIT.POOL_Q_STRIDE", [[1, 1, 2, 2], [3, 1, 2, 2], [14, 1, 2, 2]], "Blocks that pool queries, with the stride "
        "[T, H, W]."),
    Key("MVIT.POOL_KV_STRIDE_ADAPTIVE", [1, 8, 8], "Stride [T, H, W] of keys and values in the first block; it falls "
        "as queries are pooled."),
    Key("MVIT.POOL_KVQ_KERNEL", [3, 3, 3], "Size [T, H, W] of the pooling convolutions."),
)

BN = (
    Key("BN.NORM_TYPE", "batchnorm", "Statistics of one process, or of several.",
        choices=("batchnorm", "sync_batchnorm"), read_as={"sync_batchnorm_apex": "sync_batchnorm"}),
    Key("BN.NUM_SYNC_DEVICES", 1, "Processes that share statistics with sync_batchnorm.", at_least=1),
    Key("BN.GLOBAL_SYNC", False, "Share statistics over all processes."),
    Key("BN.USE_PRECISE_STATS", False, "Before an evaluation or a checkpoint at the end of an epoch, set the "
        "statistics to those of NUM_BATCHES_PRECISE training batches together (linear and fine-tuning)."),
    Key("BN.NUM_BATCHES_PRECISE", 200, "So many batches, at most an epoch's.", at_least=1),
    Key("BN.WEIGHT_DECAY", 0.0, "Weight decay of the batch norms' scale and shift.", at_least=0),
)
