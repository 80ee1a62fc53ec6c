"""A study's file: which cells a table has, with which recipes and settings, and what is measured of each.

A study is a YAML file (``configs/studies/table2.yaml`` is the paper's table 2)::

    TITLE: Clips of a video
    TRAIN_ON: K400                      # the name of a data set, whose folder --data gives
    SET: {SOLVER.MAX_EPOCH: 100}        # for all cells
    ROW_HEADING: rho
    ROWS:                               # label: settings
      "1": {DATA.TRAIN_CROP_NUM_TEMPORAL: 1}
      "2": {DATA.TRAIN_CROP_NUM_TEMPORAL: 2}
    COLUMNS:                            # may be left out: one column
      BYOL: {RECIPE: pretrain/BYOL_SlowR50_8x8_paper}
      MoCo: {RECIPE: pretrain/MoCo_SlowR50_8x8_paper, CONTRASTIVE.QUEUE_LEN: 16384}
    WITHOUT: [["2", MoCo]]              # cells that the table has not
    CELLS:                              # settings of single cells
      - {ROW: "2", COLUMN: BYOL, SOLVER.BASE_LR: 2.4}
    MEASURE:                            # label: data set and protocol
      K: K400 linear
      U: {DATA: UCF101, PROTOCOL: finetune, SPLITS: [1, 2, 3]}
    DESCRIBE: [parameters, multiply_adds]
    PLOT: lines

Settings are configuration keys, and the words RECIPE, TRAIN_ON, START, MEASURE. A row's, a column's and a cell's are
merged in this order, and the later one wins; so no grid is forced. ``START: random`` measures untrained weights of the
recipe's network. A cell's ``MEASURE: [K]`` takes some of the table's measures.
"""
