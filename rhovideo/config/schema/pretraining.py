"""Keys of the self-supervised methods: CONTRASTIVE."""

from __future__ import annotations

import math

from rhovideo.config.extension.registries import METHODS
from rhovideo.config.schema.definition import Key

# A key is a line or two, so that a section can be read at a glance.
# fmt: off

CONTRASTIVE = (
    Key("CONTRASTIVE.TYPE", "moco", "The method.", choices=METHODS, released="The default is mem."),
    Key("CONTRASTIVE.LOSS_FORM", None, "The loss as in the paper (an average), or as in the released code (a sum). "
        "Empty: paper, but released for PySlowFast's TASK ssl.", "str", choices=("paper", "released"), ours=True),
    Key("CONTRASTIVE.T", 0.07, "Temperature of the loss (alpha in the paper).", above=0),
    Key("CONTRASTIVE.DIM", 128, "Size of the embedding.", at_least=1),
    Key("CONTRASTIVE.NUM_MLP_LAYERS", 1, "Layers of the projection MLP.", at_least=1),
    Key("CONTRASTIVE.MLP_DIM", 2048, "Hidden width of the projection MLP and of the predictor.", at_least=1),
    Key("CONTRASTIVE.BN_MLP", False, "Batch norm in these MLPs."),
    Key("CONTRASTIVE.BN_SYNC_MLP", False, "Batch norm in these MLPs over several processes."),
    Key("CONTRASTIVE.BN_EMBEDDING", False, "Batch norm without scale and shift on the embedding, before it is made a "
        "unit vector. It centres the embeddings, which keeps SwAV from collapsing in small batches.", ours=True),
    Key("CONTRASTIVE.WHITEN_EMBEDDING", 0, "In its place: whiten the embedding in groups of so many dimensions, a "
        "divisor of CONTRASTIVE.DIM and at most half of the clips that share statistics; 0: do not. It keeps BYOL's "
        "embeddings from falling onto one line in small batches.", at_least=0, ours=True, auto=True),
    Key("CONTRASTIVE.PREDICTOR_DEPTHS", [], "Layers of each predictor MLP; [2] is BYOL's.", "int list"),
    Key("CONTRASTIVE.MOMENTUM", 0.5, "Momentum of the momentum encoder.", at_least=0, at_most=1, auto=True),
    Key("CONTRASTIVE.MOMENTUM_ANNEALING", False, "Let this momentum rise to 1 along a cosine."),
    Key("CONTRASTIVE.QUEUE_LEN", 65536, "Negatives in MoCo's queue, a multiple of the global batch.", at_least=1,
        auto=True),
    Key("CONTRASTIVE.MOCO_MULTI_VIEW_QUEUE", False, "Put the keys of all clips into the queue (True), or of the first "
        "one alone."),
    Key("CONTRASTIVE.KEYS_AT_ONCE", False, "Compute the keys of all clips (MoCo, BYOL) in one forward pass, or clip by "
        "clip, which needs less memory. Batch norm takes each clip's statistics alone either way. Not with "
        "MODEL.COMPILE.", ours=True),
    Key("CONTRASTIVE.LOCAL_SHUFFLE_BN", True, "MoCo's shuffling of keys among the processes of one machine (True), or "
        "of all machines."),
    Key("CONTRASTIVE.SIMCLR_DIST_ON", True, "SimCLR's negatives from all processes, or from one."),
    Key("CONTRASTIVE.SWAV_QEUE_LEN", 0, "Earlier embeddings that take part in SwAV's Sinkhorn-Knopp together with the "
        "batch (PySlowFast's spelling); 0 uses the batch alone.", at_least=0),
    Key("CONTRASTIVE.SWAV_NUM_PROTOTYPES", 1000, "SwAV's prototypes.", at_least=1, ours=True, auto=True),
    Key("CONTRASTIVE.SWAV_EPSILON", 0.05, "Weight of the entropy in Sinkhorn-Knopp.", above=0, ours=True),
    Key("CONTRASTIVE.SWAV_SINKHORN_ITERATIONS", 3, "Iterations of Sinkhorn-Knopp.", at_least=1, ours=True),
    Key("CONTRASTIVE.SWAV_FREEZE_EPOCHS", 1.0, "Epochs in which the prototypes stay as they are.", at_least=0,
        ours=True),
    Key("CONTRASTIVE.DELTA_CLIPS_MIN", -math.inf, "Frames from the last frame of a clip to the first one of the next, "
        "at least; below 0 clips overlap.", infinite=True),
    Key("CONTRASTIVE.DELTA_CLIPS_MAX", math.inf, "The same, at most.", infinite=True),
    Key("CONTRASTIVE.DELTA_SECONDS_MIN", 0.0, "Seconds from the start of a clip to the start of the next one in time, "
        "at least. In place of DELTA_CLIPS_MIN and MAX, for videos of any frame rate.", at_least=0, ours=True),
    Key("CONTRASTIVE.DELTA_SECONDS_MAX", math.inf, "The same, at most; 0: all clips at the same instant, as in table 4 "
        "of the paper.", at_least=0, infinite=True, ours=True),
    Key("CONTRASTIVE.KNN_ON", True, "Measure nearest-neighbour accuracy during pre-training, where there are labels."),
)
