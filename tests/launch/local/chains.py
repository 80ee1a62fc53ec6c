"""Plans of tiny chains for the local launcher: a method, and what is measured of it."""

from __future__ import annotations

from pathlib import Path

from rhovideo.launch.plan import Cell, Plan, make_plan

TINY = """
NUM_GPUS: 0
DATA: {PATH_TO_DATA_DIR: %s, NUM_FRAMES: 2, SAMPLING_RATE: 4, TRAIN_CROP_SIZE: 32, TEST_CROP_SIZE: 32,
  TRAIN_JITTER_SCALES: [36, 44]}
RESNET: {DEPTH: 18, WIDTH_PER_GROUP: 4}
MODEL: {NUM_CLASSES: 3, DROPOUT_RATE: 0.5}
CONTRASTIVE: {TYPE: simclr, DIM: 8, MLP_DIM: 16, NUM_MLP_LAYERS: 2, T: 0.1, KNN_ON: False}
TRAIN: {BATCH_SIZE: 8, CHECKPOINT_MINUTES: 0}
TEST: {BATCH_SIZE: 8, NUM_ENSEMBLE_VIEWS: 1, NUM_SPATIAL_CROPS: 1}
SOLVER: {BASE_LR: 0.01, MAX_EPOCH: 1, WARMUP_START_LR: 0.001}
KNN: {K: 3}
DATA_LOADER: {NUM_WORKERS: 0}
"""


def write_configs(folder: Path, data: Path, *tasks: str, more: str = "") -> list[str]:
    """A file for each task in a folder; returns their paths."""
    (folder / "base.yaml").write_text(TINY % data + more)
    paths = []
    for task in tasks:
        path = folder / f"{task}.yaml"
        path.write_text(f"_BASE_: base.yaml\nTASK: {task}\n")
        paths.append(str(path))
    return paths


def plan_of_seeds(folder: Path, data: Path, seeds: int, *tasks: str, trouble: bool = False, epochs: int = 1) -> Plan:
    """A cell for each seed, 1 and on, in ``folder``/study."""
    more = "PLUGINS: [tests.launch.local.trouble]\nLOGGERS: {USE: [trouble]}\nLOG_PERIOD: 1\n" if trouble else ""
    sweep = "RNG_SEED=" + ",".join(map(str, range(1, seeds + 1)))
    overrides = ["SOLVER.MAX_EPOCH", epochs]
    return make_plan(write_configs(folder, data, *tasks, more=more), overrides, sweep, str(folder / "study"))


def order(plan: Plan, number: int, job: int, what: str) -> None:
    """Tell the logger ``trouble`` of a cell's job what to do: ``die`` or ``hang``."""
    run = Path(plan.cells[number].jobs[job].cfg.OUTPUT_DIR)
    run.parent.mkdir(parents=True, exist_ok=True)
    (run.parent / f"{run.name}.orders").write_text(what)


def finished(cell: Cell) -> list[bool]:
    """Whether each job of a cell has results."""
    return [(Path(job.cfg.OUTPUT_DIR) / "results.json").is_file() for job in cell.jobs]
