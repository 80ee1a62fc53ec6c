"""Every configuration key, its default and its meaning.

Names, defaults and meanings are PySlowFast's wherever it has the key; keys of our own are marked *ours*. Keys of
PySlowFast that would change nothing here are not in it; files may hold them, see
:mod:`rhovideo.config.pyslowfast_keys`.
Exceptions: NUM_GPUS, OUTPUT_DIR, CONTRASTIVE.TYPE and the MVIT section, whose defaults there run nowhere as
they are. A default of ``None`` means "decided by the task", see :mod:`rhovideo.config.task_defaults`.
"""

from __future__ import annotations

import math

from fvcore.common.config import CfgNode


def get_cfg() -> CfgNode:
    """A new configuration that holds every key with its default."""
    cfg = CfgNode()
    # pretrain | linear | finetune | test | knn | extract, or PySlowFast's ssl and ssl_eval_*.
    cfg.TASK = ""
    # GPUs of one machine, one process each; 0 runs on the CPU; -1 takes all there are, or the CPU.
    cfg.NUM_GPUS = -1
    # Ours: processes of one machine when it runs on the CPU.
    cfg.NUM_CPU_PROCESSES = 1
    # Machines of one job.
    cfg.NUM_SHARDS = 1
    cfg.SHARD_ID = 0
    cfg.OUTPUT_DIR = "outputs/run"
    cfg.RNG_SEED = 1
    # Steps between two log lines.
    cfg.LOG_PERIOD = 10
    cfg.LOG_MODEL_INFO = True
    cfg.DIST_BACKEND = "nccl"
    # Ours: minutes that a process waits for the others before it gives up.
    cfg.DIST_TIMEOUT_MINUTES = 30.0
    cfg.TRAIN = _train()
    cfg.TEST = _test()
    cfg.KNN = _knn()
    cfg.MODEL = _model()
    cfg.RESNET = _resnet()
    cfg.SLOWFAST = _slowfast()
    cfg.X3D = _x3d()
    cfg.MVIT = _mvit()
    cfg.BN = _bn()
    cfg.CONTRASTIVE = _contrastive()
    cfg.DATA = _data()
    cfg.DATA_LOADER = _data_loader()
    cfg.SOLVER = _solver()
    cfg.TENSORBOARD = CfgNode({"ENABLE": False, "LOG_DIR": ""})
    cfg.SLURM = _slurm()
    return cfg


def _train() -> CfgNode:
    node = CfgNode()
    node.ENABLE = True
    # kinetics: lists of videos. ssv2: lists of their frames, as images, with Something-Something's JSON labels.
    node.DATASET = "kinetics"
    # Videos a step of one machine, over all its processes.
    node.BATCH_SIZE = 64
    # Ours: micro-batches that one step is summed over (MoCo, BYOL, linear and fine-tuning).
    node.ACCUMULATE_STEPS = 1
    # Epochs between two evaluations on the validation set; 0 never evaluates.
    node.EVAL_PERIOD = 10
    # Epochs between two checkpoints.
    node.CHECKPOINT_PERIOD = 10
    # Ours: minutes between two checkpoints inside an epoch; 0 writes none.
    node.CHECKPOINT_MINUTES = 15.0
    # Ours: how many of the newest checkpoints are kept; 0 keeps all.
    node.CHECKPOINT_KEEP = 3
    # Go on from the newest checkpoint in OUTPUT_DIR.
    node.AUTO_RESUME = True
    # Start from the weights in this file, at epoch 0.
    node.CHECKPOINT_FILE_PATH = ""
    # Prefixes taken off the names in CHECKPOINT_FILE_PATH before they are matched.
    node.CHECKPOINT_CLEAR_NAME_PATTERN = ()
    # Ours: which encoder of a MoCo or BYOL checkpoint to start from: online | momentum.
    node.CHECKPOINT_ENCODER = "online"
    node.MIXED_PRECISION = False
    # Ours: bfloat16 | float16, used when MIXED_PRECISION is on.
    node.AMP_DTYPE = "bfloat16"
    # Ours: float32 | float64, of parameters and arithmetic outside of autocast.
    node.DTYPE = "float32"
    return node


def _test() -> CfgNode:
    node = CfgNode()
    node.ENABLE = True
    # Videos (not views) a step of one machine; in TASK extract of one process.
    node.BATCH_SIZE = 8
    node.CHECKPOINT_FILE_PATH = ""
    # Clips placed uniformly over the video, and crops of each.
    node.NUM_ENSEMBLE_VIEWS = 10
    node.NUM_SPATIAL_CROPS = 3
    # Where per-video scores go; empty writes OUTPUT_DIR/test_scores.npz.
    node.SAVE_RESULTS_PATH = ""
    return node


def _knn() -> CfgNode:
    """Ours: nearest-neighbour evaluation, online during pre-training and as TASK knn."""
    node = CfgNode()
    # Neighbours that vote.
    node.K = 200
    # Temperature of the votes' weights exp(s/T); 0 takes CONTRASTIVE.T, as released.
    node.T = 0.0
    # Rows of the training set that the online bank holds at most; 0 holds all.
    node.BANK_MAX = 300000
    # Ranks at which retrieval recall is reported by TASK knn.
    node.RECALL_AT = (1, 5, 10, 20, 50)
    # Clips averaged into a video's feature by TASK knn and TASK extract.
    node.NUM_CLIPS = 1
    return node


def _model() -> CfgNode:
    node = CfgNode()
    # slow | c2d | i3d | slowfast | r2plus1d | x3d | mvit | s3dg
    node.ARCH = "slow"
    # ContrastiveModel or the classifier's name in PySlowFast; the task decides what is built.
    node.MODEL_NAME = ""
    node.NUM_CLASSES = 400
    node.LOSS_FUNC = "cross_entropy"
    node.DROPOUT_RATE = 0.5
    node.FC_INIT_STD = 0.01
    node.HEAD_ACT = "softmax"
    # Stop the gradient before the classifier: the linear protocol.
    node.DETACH_FINAL_FC = False
    # Encoder batch norm in eval mode. None: True for TASK linear, else False.
    node.FROZEN_BN = None
    # Compute activations again in the backward pass instead of keeping them; not with COMPILE.
    node.ACT_CHECKPOINT = False
    # Ours: lay the weights of 3-D convolutions out channels last, as the clips are.
    node.CHANNELS_LAST = False
    # Ours: torch.compile the encoders; it needs a C++ compiler, and minutes in the first step.
    node.COMPILE = False
    return node


def _resnet() -> CfgNode:
    node = CfgNode()
    # 18, 50, 101 or 152.
    node.DEPTH = 50
    # Width of the stem; the pooled feature of a bottleneck network has 32 times as many channels.
    node.WIDTH_PER_GROUP = 64
    # Ours: channels of R-18's first stage over those of its stem: 1 (64 to 512 channels) or PySlowFast's 4.
    node.BASIC_EXPANSION = 1
    node.NUM_GROUPS = 1
    node.STRIDE_1X1 = False
    node.INPLACE_RELU = True
    node.ZERO_INIT_FINAL_BN = False
    node.ZERO_INIT_FINAL_CONV = False
    node.NUM_BLOCK_TEMP_KERNEL = [[3], [4], [6], [3]]
    node.SPATIAL_STRIDES = [[1], [2], [2], [2]]
    node.SPATIAL_DILATIONS = [[1], [1], [1], [1]]
    return node


def _slowfast() -> CfgNode:
    node = CfgNode()
    # Channels of the slow over the fast pathway; frames of the fast over the slow pathway.
    node.BETA_INV = 8
    node.ALPHA = 8
    node.FUSION_CONV_CHANNEL_RATIO = 2
    node.FUSION_KERNEL_SZ = 5
    return node


def _x3d() -> CfgNode:
    node = CfgNode()
    node.WIDTH_FACTOR = 1.0
    node.DEPTH_FACTOR = 1.0
    node.BOTTLENECK_FACTOR = 1.0
    node.DIM_C5 = 2048
    node.DIM_C1 = 12
    return node


def _mvit() -> CfgNode:
    node = CfgNode()
    node.EMBED_DIM = 96
    node.NUM_HEADS = 1
    node.DEPTH = 16
    node.MLP_RATIO = 4.0
    node.QKV_BIAS = True
    node.DROPPATH_RATE = 0.1
    node.DROPOUT_RATE = 0.0
    node.PATCH_KERNEL = [3, 7, 7]
    node.PATCH_STRIDE = [2, 4, 4]
    node.PATCH_PADDING = [1, 3, 3]
    node.CLS_EMBED_ON = True
    node.SEP_POS_EMBED = True
    node.DIM_MUL = [[1, 2.0], [3, 2.0], [14, 2.0]]
    node.HEAD_MUL = [[1, 2.0], [3, 2.0], [14, 2.0]]
    node.POOL_Q_STRIDE = [[1, 1, 2, 2], [3, 1, 2, 2], [14, 1, 2, 2]]
    node.POOL_KV_STRIDE_ADAPTIVE = [1, 8, 8]
    node.POOL_KVQ_KERNEL = [3, 3, 3]
    return node


def _bn() -> CfgNode:
    node = CfgNode()
    # batchnorm | sync_batchnorm (sync_batchnorm_apex is read as sync_batchnorm)
    node.NORM_TYPE = "batchnorm"
    # Processes that share statistics; GLOBAL_SYNC shares them over all.
    node.NUM_SYNC_DEVICES = 1
    node.GLOBAL_SYNC = False
    # Weight decay of the batch norms' scale and shift.
    node.WEIGHT_DECAY = 0.0
    return node


def _contrastive() -> CfgNode:
    node = CfgNode()
    # simclr | moco | byol | swav
    node.TYPE = "moco"
    # Ours: paper | released. None: paper, but released for PySlowFast's TASK ssl.
    node.LOSS_FORM = None
    # Temperature of the loss (alpha in the paper).
    node.T = 0.07
    # Size of the embedding.
    node.DIM = 128
    # Projection MLP: layers, hidden width, batch norm and whether it is synchronised.
    node.NUM_MLP_LAYERS = 1
    node.MLP_DIM = 2048
    node.BN_MLP = False
    node.BN_SYNC_MLP = False
    # Layers of each predictor MLP: [2] is BYOL's.
    node.PREDICTOR_DEPTHS = []
    # Momentum encoder: its momentum, and whether it rises to 1 along a cosine.
    node.MOMENTUM = 0.5
    node.MOMENTUM_ANNEALING = False
    # MoCo's negatives.
    node.QUEUE_LEN = 65536
    # Enqueue the keys of all clips (True) or of the first one.
    node.MOCO_MULTI_VIEW_QUEUE = False
    # Ours: keys of all clips (MoCo, BYOL) in one forward pass, or one clip after the other, which needs less memory.
    # Batch norm takes each clip's own statistics either way. Not with MODEL.COMPILE.
    node.KEYS_AT_ONCE = False
    # Shuffle keys among all machines (False) or those of one machine (True).
    node.LOCAL_SHUFFLE_BN = True
    # Negatives from all processes.
    node.SIMCLR_DIST_ON = True
    # Embeddings that take part in Sinkhorn-Knopp beside the batch (PySlowFast's spelling); 0 uses the batch alone.
    node.SWAV_QEUE_LEN = 0
    # Ours: prototypes, entropy and iterations of Sinkhorn-Knopp, epochs in which the prototypes stay frozen.
    node.SWAV_NUM_PROTOTYPES = 1000
    node.SWAV_EPSILON = 0.05
    node.SWAV_SINKHORN_ITERATIONS = 3
    node.SWAV_FREEZE_EPOCHS = 1.0
    # Frames between the last frame of a clip and the first one of the next.
    node.DELTA_CLIPS_MIN = -math.inf
    node.DELTA_CLIPS_MAX = math.inf
    # Online nearest-neighbour accuracy where labels exist.
    node.KNN_ON = True
    return node


def _data() -> CfgNode:
    node = CfgNode()
    # Folder of train.csv, val.csv and test.csv: a path and a label a line.
    node.PATH_TO_DATA_DIR = ""
    node.PATH_LABEL_SEPARATOR = " "
    # Put before every relative path.
    node.PATH_PREFIX = ""
    # Lines to leave out at the top of each CSV.
    node.SKIP_ROWS = 0
    # Ours: folder of the packed manifests; empty uses the machine's temporary folder.
    node.MANIFEST_CACHE = ""
    # T frames, one in every tau, counted at TARGET_FPS.
    node.NUM_FRAMES = 8
    node.SAMPLING_RATE = 8
    node.TARGET_FPS = 30
    # Clips of a video (rho) and crops of each.
    node.TRAIN_CROP_NUM_TEMPORAL = 1
    node.TRAIN_CROP_NUM_SPATIAL = 1
    # Add U(0, x) to the clip's frame rate (PySlowFast) ...
    node.TRAIN_JITTER_FPS = 0.0
    # ... or, ours, multiply it by U(1 - x, 1 + x): the paper's is 0.5.
    node.TRAIN_JITTER_FPS_RELATIVE = 0.0
    # Ours: random | segment (one frame from each of T equal segments, as in SSv2).
    node.CLIP_SAMPLING = "random"
    # The last of several test clips ends with the video (True), or one step of the clips earlier (False).
    # None: True, but False for PySlowFast's ssl_eval tasks.
    node.USE_OFFSET_SAMPLING = None
    node.INPUT_CHANNEL_NUM = [3]
    node.MEAN = [0.45, 0.45, 0.45]
    node.STD = [0.225, 0.225, 0.225]
    # Give the network BGR.
    node.REVERSE_INPUT_CHANNEL = False
    # Short side drawn from this range before a square crop ...
    node.TRAIN_JITTER_SCALES = [256, 320]
    # (uniformly, or so that its inverse is uniform)
    node.INV_UNIFORM_SAMPLE = False
    # ... or, where given, the crop's share of the area, and its aspect ratio.
    node.TRAIN_JITTER_SCALES_RELATIVE = []
    node.TRAIN_JITTER_ASPECT_RELATIVE = []
    node.TRAIN_CROP_SIZE = 224
    node.TEST_CROP_SIZE = 256
    node.RANDOM_FLIP = True
    # Ours: ablations. Clips at different times, random crops; colour is SSL_COLOR_JITTER.
    node.AUG_TEMPORAL = True
    node.AUG_SPATIAL = True
    # Ours: where colour is changed: cpu (by the workers) | gpu (where the network is, in batches; the same draws).
    node.AUG_DEVICE = "cpu"
    node.SSL_COLOR_JITTER = False
    node.SSL_COLOR_BRI_CON_SAT = [0.4, 0.4, 0.4]
    node.SSL_COLOR_HUE = 0.1
    # True: jitter with SSL_COLOR_PROB, grey, blur with SSL_BLUR_PROB. False: grey, then jitter always, no blur.
    node.SSL_MOCOV2_AUG = False
    node.SSL_COLOR_PROB = 0.8
    node.SSL_BLUR_PROB = 0.5
    # [unused, sigma in pixels at TRAIN_CROP_SIZE]
    node.SSL_BLUR_SIGMA_MIN = [0.0, 0.1]
    node.SSL_BLUR_SIGMA_MAX = [0.0, 2.0]
    node.COLOR_RND_GRAYSCALE = 0.0
    # Probability that a clip is replaced by the differences of neighbouring frames.
    node.TIME_DIFF_PROB = 0.0
    # pyav | torchcodec (the same frames, where it is installed) | torchvision (PySlowFast's default, read as pyav)
    node.DECODING_BACKEND = "pyav"
    # Ours: share of unreadable videos from which training stops.
    node.MAX_BAD_VIDEO_SHARE = 0.1
    # How the scores of a video's views become one: sum (their mean) | max.
    node.ENSEMBLE_METHOD = "sum"
    return node


def _data_loader() -> CfgNode:
    node = CfgNode()
    # Worker processes of each process of the job. None: 8, or its CPU cores where they are fewer.
    node.NUM_WORKERS = None
    node.PIN_MEMORY = True
    # Ours: batches that each worker prepares ahead.
    node.PREFETCH_FACTOR = 2
    return node


def _solver() -> CfgNode:
    node = CfgNode()
    node.BASE_LR = 0.1
    # Multiply the learning rates by NUM_SHARDS.
    node.BASE_LR_SCALE_NUM_SHARDS = False
    # Ours: the global batch for which BASE_LR was chosen; the rate is scaled by batch / this. 0: taken as it is.
    node.BASE_LR_BATCH = 0
    # cosine | steps_with_relative_lrs
    node.LR_POLICY = "cosine"
    node.COSINE_END_LR = 0.0
    node.COSINE_AFTER_WARMUP = False
    # First epochs of the stretches of steps_with_relative_lrs, from 0, and the factor of BASE_LR in each.
    node.STEPS = []
    node.LRS = []
    node.MAX_EPOCH = 300
    node.WARMUP_EPOCHS = 0.0
    node.WARMUP_START_LR = 0.01
    # sgd | adamw
    node.OPTIMIZING_METHOD = "sgd"
    node.MOMENTUM = 0.9
    node.DAMPENING = 0.0
    node.NESTEROV = True
    node.BETAS = (0.9, 0.999)
    node.WEIGHT_DECAY = 1e-4
    node.ZERO_WD_1D_PARAM = False
    node.LARS_ON = False
    # Ours: LARS's trust coefficient.
    node.LARS_TRUST = 0.001
    node.CLIP_GRAD_VAL = None
    node.CLIP_GRAD_L2NORM = None
    node.LAYER_DECAY = 1.0
    return node


def _slurm() -> CfgNode:
    """Ours: what a job asks SLURM for, read with --launcher slurm only. 0, -1 and "" leave it to the cluster.

    Each has a flag; defaults of your own go into ~/.config/rhovideo/cluster.yaml, see
    :mod:`rhovideo.config.slurm_options`.
    """
    node = CfgNode()
    # Names that `sinfo` and `sacctmgr show assoc user=$USER` list.
    node.PARTITION = ""
    node.ACCOUNT = ""
    node.QOS = ""
    # Machines, the same number as NUM_SHARDS: each has TRAIN.BATCH_SIZE videos a step.
    node.NODES = 0
    # The same number as NUM_GPUS, one task each; 0 runs on the CPU, -1 takes NUM_GPUS.
    node.GPUS_PER_NODE = -1
    # On the CPU: processes of a node, the same number as NUM_CPU_PROCESSES.
    node.TASKS_PER_NODE = 0
    # Cores of each task; its data workers (DATA_LOADER.NUM_WORKERS) share them.
    node.CPUS_PER_TASK = 0
    # Memory of a node, such as 64G.
    node.MEM = ""
    # Limit such as 1-00:00:00, 4:00:00, or minutes; a job that reaches it is requeued and goes on.
    node.TIME = ""
    # Features that nodes must have; nodes not to be used.
    node.CONSTRAINT = ""
    node.EXCLUDE = ""
    node.COMMENT = ""
    # The job's name in the queue; empty takes the configuration's file name.
    node.NAME = ""
    # Other options of sbatch: ["reservation=video", "exclusive"]. Added to those of cluster.yaml; "key=" drops one.
    node.ARGS = []
    # How long before its time limit a job is told to write a checkpoint and stop.
    node.GRACE_SECONDS = 120
    # How often a job is requeued after failures in a row, each with progress since the one before; a preemption between
    # them begins the count anew.
    node.MAX_FAILURES = 3
    # Cells of each stage of a sweep that run at a time; 0: as many as the cluster has room for.
    node.MAX_JOBS = 0
    # Shell lines before the job, on its first node: ["module load cuda/12"].
    node.SETUP = []
    return node
