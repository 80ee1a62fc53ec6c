"""Keys of TASK detection: DETECTION, the head on boxes, and AVA, the files of frames and boxes."""

from __future__ import annotations

from rhovideo.config.schema.definition import Key

# A key is a line or two, so that a section can be read at a glance.
# fmt: off

DETECTION = (
    Key("DETECTION.ENABLE", None, "PySlowFast's word for TASK detection. Empty: True there, else False.", "bool",
        released="It makes a detector of any task. A file of PySlowFast's with True is TASK detection here."),
    Key("DETECTION.ALIGNED", True, "Shift boxes by half a cell, so that a box's corner and a cell's centre are meant "
        "as pixels are. False is that of the networks that were converted from Caffe2."),
    Key("DETECTION.SPATIAL_SCALE_FACTOR", 16, "Pixels for one cell of the network's last map: 4 times the "
        "RESNET.SPATIAL_STRIDES.", at_least=1),
    Key("DETECTION.ROI_XFORM_RESOLUTION", 7, "Cells of a box along each side, over which the maximum is taken.",
        at_least=1),
)

AVA = (
    Key("AVA.FRAME_DIR", "", "Folder that the paths of the frame lists start from. Empty: DATA.PATH_PREFIX, or else "
        "the folder of the lists."),
    Key("AVA.FRAME_LIST_DIR", "", "Folder of TRAIN_LISTS and TEST_LISTS. Empty: DATA.PATH_TO_DATA_DIR."),
    Key("AVA.ANNOTATION_DIR", "", "Folder of the files of boxes. Empty: DATA.PATH_TO_DATA_DIR."),
    Key("AVA.VIDEO_DIR", "", "Folder of the videos themselves, each named by its id, such as -5KQ66BBWC4.mkv. With it "
        "no frame list is read.", ours=True),
    Key("AVA.START_SECOND", None, "The second at which a list's first frame, or a video file, begins. Empty: 900 for "
        "frame lists, as in AVA's, and 0 for videos.", "int", at_least=0, ours=True),
    Key("AVA.TRAIN_LISTS", ["train.csv"], "Frame lists of the training videos."),
    Key("AVA.TEST_LISTS", ["val.csv"], "Frame lists of the videos for evaluation and test."),
    Key("AVA.TRAIN_GT_BOX_LISTS", ["ava_train_v2.2.csv"], "True boxes of the training videos."),
    Key("AVA.TRAIN_PREDICT_BOX_LISTS", [], "Detected boxes to train on too, with or without labels.", "str list"),
    Key("AVA.TEST_PREDICT_BOX_LISTS", ["ava_val_predicted_boxes.csv"], "Boxes to score in evaluation and test."),
    Key("AVA.DETECTION_SCORE_THRESH", 0.9, "Detected boxes with a lower score are left out. The paper's is 0.8."),
    Key("AVA.FULL_TEST_ON_VAL", False, "Evaluate during training at every second. False: at each fourth alone."),
    Key("AVA.TEST_FORCE_FLIP", False, "Mirror the clips of the test."),
    Key("AVA.LABEL_MAP_FILE", "ava_action_list_v2.2_for_activitynet_2019.pbtxt", "Classes that are evaluated, with "
        "their names."),
    Key("AVA.EXCLUSION_FILE", "ava_val_excluded_timestamps_v2.2.csv", "Seconds that are not evaluated. An empty text "
        '(""): all are.'),
    Key("AVA.GROUNDTRUTH_FILE", "ava_val_v2.2.csv", "True boxes of the evaluation and the test."),
)
