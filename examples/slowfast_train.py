"""PySlowFast's own training with our videos and methods: its command line, its loop, one import more.

    PYTHONPATH=/path/to/SlowFast python examples/slowfast_train.py \\
        --cfg configs/contrastive_ssl/MoCo_SlowR50_8x8.yaml --opts \\
        TRAIN.DATASET rhovideo MODEL.MODEL_NAME RhoMoCo DATA.PATH_TO_DATA_DIR /data/k400

The import stands at the top, where the processes of several GPUs run it too. Other names are RhoBYOL, RhoSimCLR and
RhoSwAV; with PySlowFast's own data set and model, its decoding is all that changes.
"""

import os

try:
    import rhovideo.integrations.slowfast  # noqa: F401, I001  first: it says what PySlowFast lacks
    from slowfast.config.defaults import assert_and_infer_cfg
    from slowfast.utils.misc import launch_job
    from slowfast.utils.parser import load_config, parse_args
    from tools.train_net import train
except ImportError as error:
    raise SystemExit(f"{error}\nPySlowFast's folder belongs on PYTHONPATH, as `head -5 {__file__}` shows") from None


def main() -> None:
    args = parse_args()
    for path in args.cfg_files:
        cfg = assert_and_infer_cfg(load_config(args, path))
        os.makedirs(cfg.OUTPUT_DIR, exist_ok=True)
        launch_job(cfg=cfg, init_method=args.init_method, func=train)


if __name__ == "__main__":
    main()
