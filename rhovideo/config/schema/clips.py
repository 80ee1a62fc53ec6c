"""Keys of the data: DATA, from the lists of videos to the crops of a clip."""

from __future__ import annotations

from rhovideo.config.schema.definition import Key

# A key is a line or two, so that a section can be read at a glance.
# fmt: off

DATA = (
    Key("DATA.PATH_TO_DATA_DIR", "", "Folder of train.csv, val.csv and test.csv: a path and a label a line."),
    Key("DATA.PATH_LABEL_SEPARATOR", " ", "What stands between path and label."),
    Key("DATA.MULTI_LABEL", False, 'A video has several labels, or none: `path "3,9,21"` on each line of a list of '
        "videos. Binary cross-entropy, sigmoid scores and mAP. Where it is not written, it is True for TRAIN.DATASET "
        "charades."),
    Key("DATA.PATH_PREFIX", "", "Folder that relative paths start from. Empty: that of the list."),
    Key("DATA.SKIP_ROWS", 0, "Lines to leave out at the top of each list.", at_least=0),
    Key("DATA.MANIFEST_CACHE", "", "Folder of the packed lists. Empty: the machine's temporary folder.", ours=True),
    Key("DATA.NUM_FRAMES", 8, "T, the frames of a clip.", at_least=1),
    Key("DATA.SAMPLING_RATE", 8, "τ: one frame in so many is taken, counted at TARGET_FPS.", at_least=1),
    Key("DATA.TARGET_FPS", 30, "Frames a second that SAMPLING_RATE counts.", above=0),
    Key("DATA.TRAIN_CROP_NUM_TEMPORAL", 1, "ρ, the clips of a video in pre-training.", at_least=1),
    Key("DATA.TRAIN_CROP_NUM_SPATIAL", 1, "Crops of each of these clips. 1 clip of 1 crop is seen as two views.",
        at_least=1),
    Key("DATA.TRAIN_JITTER_FPS", 0.0, "Add U(0, x) to a clip's frame rate.", at_least=0),
    Key("DATA.TRAIN_JITTER_FPS_RELATIVE", 0.0, "Multiply a clip's frame rate by U(1 - x, 1 + x); the paper's is 0.5.",
        at_least=0, at_most=1, ours=True),
    Key("DATA.CLIP_SAMPLING", "random", "Where a training clip lies: anywhere, or one frame from each of T equal "
        "segments of the video (as in SSv2).", choices=("random", "segment"), ours=True),
    Key("DATA.USE_OFFSET_SAMPLING", None, "The last of several test clips ends with the video (True), or one step of "
        "the clips earlier (False). Empty: True.", "bool", released="False is the default. A file of PySlowFast's has "
        "it here too."),
    Key("DATA.INPUT_CHANNEL_NUM", [3], "Channels of each pathway's input: 3."),
    Key("DATA.MEAN", [0.45, 0.45, 0.45], "Mean of each channel, which is taken off."),
    Key("DATA.STD", [0.225, 0.225, 0.225], "Standard deviation of each channel, which divides it."),
    Key("DATA.STANDARDISE_CLIPS", False, "After that, bring each channel of each clip to mean 0 and variance 1 over "
        "its own pixels, which takes brightness and tint away. A classifier must see its clips as its encoder did.",
        ours=True),
    Key("DATA.REVERSE_INPUT_CHANNEL", False, "Give the network BGR.", released="Frames of ssv2 begin as BGR, so True "
        "makes them RGB. A file of PySlowFast's is turned round."),
    Key("DATA.TRAIN_JITTER_SCALES", [256, 320], "Range of the short side in pixels before a square crop."),
    Key("DATA.INV_UNIFORM_SAMPLE", False, "Draw the short side so that its inverse is uniform."),
    Key("DATA.TRAIN_JITTER_SCALES_RELATIVE", [], "Range of a crop's share of the area, in place of "
        "TRAIN_JITTER_SCALES.", "float list"),
    Key("DATA.TRAIN_JITTER_ASPECT_RELATIVE", [], "Range of that crop's aspect ratio.", "float list"),
    Key("DATA.TRAIN_CROP_SIZE", 224, "Side of a training crop in pixels.", at_least=1),
    Key("DATA.TEST_CROP_SIZE", 256, "Side of a test crop in pixels.", at_least=1),
    Key("DATA.RANDOM_FLIP", True, "Mirror half of the training clips."),
    Key("DATA.AUG_TEMPORAL", True, "Clips of a video at different times; False for an ablation.", ours=True),
    Key("DATA.AUG_SPATIAL", True, "Random crops; False for an ablation.", ours=True),
    Key("DATA.AUG_PARTS", "keys", "The augmentations of a pre-training that are on, as in figure 3 of the paper: T "
        "(clips at different times), S (random sizes and flips), C (colour). base: none of them, one clip, its short "
        "side scaled to the crop, which moves along the long side. keys: as the other keys say.",
        choices=("keys", "base", "T", "S", "C", "TS", "TC", "SC", "TSC"), ours=True),
    Key("DATA.COLOR_STRENGTH", None, "The paper's colour strength s of a pre-training: brightness, contrast and "
        "saturation 0.4 s, hue 0.1 s (table 7: 0.5, 0.75, 1). Empty: as SSL_COLOR_BRI_CON_SAT and SSL_COLOR_HUE say.",
        "float", at_least=0, at_most=2.5, ours=True),
    Key("DATA.AUG_DEVICE", "cpu", "Where colour is changed: by the workers, or where the network is, in batches, with "
        "the same draws.", choices=("cpu", "gpu"), ours=True),
    Key("DATA.SSL_COLOR_JITTER", False, "Change the colour of training clips."),
    Key("DATA.SSL_COLOR_BRI_CON_SAT", [0.4, 0.4, 0.4], "How far brightness, contrast and saturation change."),
    Key("DATA.SSL_COLOR_HUE", 0.1, "How far the hue changes.", at_least=0),
    Key("DATA.SSL_MOCOV2_AUG", False, "True: jitter with SSL_COLOR_PROB, grey, blur with SSL_BLUR_PROB. False: grey, "
        "then jitter always, no blur."),
    Key("DATA.SSL_COLOR_PROB", 0.8, "Probability of the jitter.", at_least=0, at_most=1, ours=True),
    Key("DATA.SSL_BLUR_PROB", 0.5, "Probability of the blur.", at_least=0, at_most=1, ours=True),
    Key("DATA.SSL_BLUR_SIGMA_MIN", [0.0, 0.1], "The second number: the least sigma of the blur, in pixels at "
        "TRAIN_CROP_SIZE. The first is not used."),
    Key("DATA.SSL_BLUR_SIGMA_MAX", [0.0, 2.0], "The second number: the largest sigma of the blur."),
    Key("DATA.COLOR_RND_GRAYSCALE", 0.0, "Probability that a clip turns grey.", at_least=0, at_most=1),
    Key("DATA.TIME_DIFF_PROB", 0.0, "Probability that a clip is replaced by the differences of neighbouring frames.",
        at_least=0, at_most=1),
    Key("DATA.DECODING_BACKEND", "pyav", "What decodes videos. torchcodec gives the same frames, where it is "
        "installed.", choices=("pyav", "torchcodec"), read_as={"torchvision": "pyav"}),
    Key("DATA.TONE_MAP", True, "Turn HDR videos (PQ, HLG) into SDR ones. False: show them as if they were SDR, grey "
        "and washed out. SDR videos are the same with both.", ours=True),
    Key("DATA.MAX_BAD_VIDEO_SHARE", 0.1, "Share of unreadable videos from which training stops.", at_least=0, at_most=1,
        ours=True),
    Key("DATA.ENSEMBLE_METHOD", "sum", "How the scores of a video's views become one: their mean, or their maximum.",
        choices=("sum", "max")),
)
