"""Keys of training and of measuring: TRAIN, TEST, KNN and SOLVER."""

from __future__ import annotations

from rhovideo.config.extension.registries import DATASETS
from rhovideo.config.schema.definition import Key

# A key is a line or two, so that a section can be read at a glance.
# fmt: off

TRAIN = (
    Key("TRAIN.ENABLE", True, "Train. False only measures: pretrain becomes knn, linear and finetune become test."),
    Key("TRAIN.DATASET", "kinetics", "How the videos are listed. kinetics: in CSV files, a path and a label a line, "
        "whatever the data set is. ssv2: as image files, with Something-Something's JSON labels. charades: as image "
        "files, each with its labels. ptvcharades: the same lists, with PyTorchVideo's clips. ava: key frames with "
        "boxes, as the AVA section says.", choices=DATASETS,
        released="ssv2 and charades give the network BGR. A file of PySlowFast's does so here too; in our own tasks it "
        "is RGB."),
    Key("TRAIN.BATCH_SIZE", 64, "Videos a step of one machine, over all its processes.", at_least=1, auto=True),
    Key("TRAIN.ACCUMULATE_STEPS", 1, "Micro-batches that one step is summed over (MoCo, BYOL, linear and fine-tuning).",
        at_least=1, ours=True),
    Key("TRAIN.EVAL_PERIOD", 10, "Epochs between two evaluations on the validation set; 0 never evaluates.",
        at_least=0),
    Key("TRAIN.CHECKPOINT_PERIOD", 10, "Epochs between two checkpoints.", at_least=1),
    Key("TRAIN.CHECKPOINT_MINUTES", 15.0, "Minutes between two checkpoints inside an epoch; 0 writes none.", at_least=0,
        ours=True),
    Key("TRAIN.CHECKPOINT_KEEP", 3, "The newest checkpoints that are kept; 0 keeps all.", at_least=0, ours=True),
    Key("TRAIN.AUTO_RESUME", True, "Go on from the newest checkpoint in OUTPUT_DIR."),
    Key("TRAIN.CHECKPOINT_FILE_PATH", "", "Start from the weights in this file, at epoch 0.",
        released="CHECKPOINT_EPOCH_RESET False goes on at the file's epoch; here a file gives weights alone."),
    Key("TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN", (), "Prefixes to take off the names in CHECKPOINT_FILE_PATH before they "
        "are matched.", "str list"),
    Key("TRAIN.CHECKPOINT_ENCODER", "online", "Encoder of a MoCo or BYOL checkpoint to start from.",
        choices=("online", "momentum"), ours=True),
    Key("TRAIN.MIXED_PRECISION", False, "Compute in AMP_DTYPE where that is safe. Off on a CPU, unless NUM_GPUS is 0.",
        released="It is always float16, and nothing on the CPU. A file of PySlowFast's does so here too, unless "
        "it holds AMP_DTYPE."),
    Key("TRAIN.AMP_DTYPE", "bfloat16", "Number format of MIXED_PRECISION.", choices=("bfloat16", "float16"), ours=True),
    Key("TRAIN.DTYPE", "float32", "Number format of parameters, and of arithmetic without MIXED_PRECISION.",
        choices=("float32", "float64"), ours=True),
)

TEST = (
    Key("TEST.ENABLE", True, "Test after training."),
    Key("TEST.TOKENS", False, "TASK extract writes the feature map before pooling, [N, tokens, C].",
        ours=True),
    Key("TEST.BATCH_SIZE", 8, "Videos (not views) a step of one machine; in TASK extract, of one process.", at_least=1,
        released="It counts views. A file of PySlowFast's is read as so many videos that their views are as many."),
    Key("TEST.CHECKPOINT_FILE_PATH", "", "Checkpoint to measure. Empty: that of TRAIN, or the newest in OUTPUT_DIR."),
    Key("TEST.NUM_ENSEMBLE_VIEWS", 10, "Clips of a video, placed uniformly over it.", at_least=1),
    Key("TEST.NUM_SPATIAL_CROPS", 3, "Crops of each clip: the centre, or the centre and both ends.", choices=(1, 3),
        released="The one crop of ssv2 is the left or upper end; here it is the centre."),
    Key("TEST.SAVE_RESULTS_PATH", "", "File for the scores of each video. Empty: OUTPUT_DIR/test_scores.npz."),
)

KNN = (
    Key("KNN.K", 200, "Neighbours that vote.", at_least=1, ours=True),
    Key("KNN.T", 0.0, "Temperature T of the votes' weights exp(s/T); 0 takes CONTRASTIVE.T, as released.", at_least=0,
        ours=True),
    Key("KNN.BANK_MAX", 300000, "Training videos that the online bank holds at most; 0 holds all.", at_least=0,
        ours=True),
    Key("KNN.RECALL_AT", (1, 5, 10, 20, 50), "Ranks at which TASK knn reports retrieval recall.", ours=True),
    Key("KNN.NUM_CLIPS", 1, "Clips averaged into a video's feature, in TASK knn and TASK extract.", at_least=1,
        ours=True),
)

SOLVER = (
    Key("SOLVER.BASE_LR", 0.1, "Learning rate after the warm-up.", at_least=0),
    Key("SOLVER.BASE_LR_SCALE_NUM_SHARDS", False, "Multiply the learning rates by NUM_SHARDS."),
    Key("SOLVER.BASE_LR_BATCH", 0, "The global batch for which BASE_LR was chosen: the rates are scaled by batch / "
        "this number. 0: they are taken as they are.", at_least=0, ours=True),
    Key("SOLVER.PREDICTOR_LR_FACTOR", 1.0, "Learning rate of BYOL's predictor, as a multiple of that of the rest.",
        above=0, ours=True),
    Key("SOLVER.LR_POLICY", "cosine", "How the learning rate falls.", choices=("cosine", "steps_with_relative_lrs")),
    Key("SOLVER.COSINE_END_LR", 0.0, "Learning rate at the end of the cosine.", at_least=0),
    Key("SOLVER.COSINE_AFTER_WARMUP", False, "Begin the cosine after the warm-up, not with it."),
    Key("SOLVER.STEPS", [], "First epochs of the stretches of steps_with_relative_lrs, from 0.", "number list",
        released="Stretches after the last epoch do no harm. A file of PySlowFast's is cut to what is used."),
    Key("SOLVER.LRS", [], "Factor of BASE_LR in each stretch.", "float list", released="More factors than stretches do "
        "no harm. A file of PySlowFast's is cut to what is used."),
    Key("SOLVER.MAX_EPOCH", 300, "Epochs of the training.", at_least=1, auto=True),
    Key("SOLVER.WARMUP_EPOCHS", 0.0, "Epochs in which the rate rises linearly from WARMUP_START_LR.", at_least=0,
        auto=True),
    Key("SOLVER.WARMUP_START_LR", 0.01, "Learning rate at the start of the warm-up.", at_least=0),
    Key("SOLVER.OPTIMIZING_METHOD", "sgd", "The optimizer.", choices=("sgd", "adamw")),
    Key("SOLVER.MOMENTUM", 0.9, "Momentum of SGD.", at_least=0),
    Key("SOLVER.DAMPENING", 0.0, "Dampening of SGD's momentum.", at_least=0),
    Key("SOLVER.NESTEROV", True, "Nesterov's form of SGD's momentum."),
    Key("SOLVER.BETAS", (0.9, 0.999), "The two decay rates of AdamW."),
    Key("SOLVER.WEIGHT_DECAY", 1e-4, "Weight decay of all but batch norms, which have BN.WEIGHT_DECAY.", at_least=0),
    Key("SOLVER.PREDICTOR_WEIGHT_DECAY", None, "Weight decay of BYOL's predictor with its batch norms. Empty: as the "
        "rest.", "float", at_least=0, ours=True),
    Key("SOLVER.ZERO_WD_1D_PARAM", False, "No weight decay for biases and other 1-D parameters."),
    Key("SOLVER.LARS_ON", False, "Scale SGD's steps layer by layer (LARS)."),
    Key("SOLVER.LARS_TRUST", 0.001, "Trust coefficient of LARS.", above=0, ours=True),
    Key("SOLVER.CLIP_GRAD_VAL", None, "Clip each entry of the gradient to this size. Empty: not at all.", "float",
        above=0),
    Key("SOLVER.CLIP_GRAD_L2NORM", None, "Clip the norm of the whole gradient to this size. Empty: not at all.",
        "float", above=0),
    Key("SOLVER.LAYER_DECAY", 1.0, "Factor of the rate from layer to layer.", fixed=True),
)
