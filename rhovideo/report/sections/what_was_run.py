"""What was run: recipe, changed keys, data, machine, time, cost; warnings; and how to do it again."""

from __future__ import annotations

import hashlib
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rhovideo import __version__
from rhovideo.config.comparison import FILES
from rhovideo.report.blocks import Block, Listing, Rows, Section, Text
from rhovideo.report.nearest_recipe import MOST_OVERRIDES, nearest_recipe, recipe_text
from rhovideo.report.run_record import RunRecord, cfg_value
from rhovideo.report.sections.wording import count, duration, hours, listed, shown
from rhovideo.report.subjects import Chain, Subject
from rhovideo.runs.folder import CONFIG_FILE
from rhovideo.runs.lineage import started_in
from rhovideo.runs.official_counts import as_official_count

_MOST_KEYS = 40
_MOST_BAD = 20
_MOST_WARNINGS = 30
# Runs that are named with one warning.
_MOST_PLACES = 3
# No result depends on these, but which checkpoints there are to go on from, and which bad videos stop a run.
_ALSO_REPEATED = ("TRAIN.CHECKPOINT_PERIOD", "TRAIN.CHECKPOINT_KEEP", "DATA.MAX_BAD_VIDEO_SHARE")
_CHECKPOINTS = ("TRAIN.CHECKPOINT_FILE_PATH", "TEST.CHECKPOINT_FILE_PATH")


def run_section(chain: Chain) -> Section:
    """The facts of each run of a chain."""
    section = Section("run", "What was run")
    section.blocks.append(_facts(chain))
    for run in chain.runs:
        section.blocks += _changed(run)
    section.blocks += _data(chain)
    return section


def cost(run: RunRecord) -> float | None:
    """Seconds of all its processes; None where its time is not known."""
    return None if run.seconds is None else run.seconds * run.processes


def cost_text(runs: list[RunRecord]) -> str:
    """The hours of GPUs or processors that runs have used."""
    known = [(run, value) for run in runs if (value := cost(run)) is not None]
    if not known:
        return "not known"
    gpu = [value for run, value in known if run.on_gpu]
    cpu = [value for run, value in known if not run.on_gpu]
    parts = [f"{hours(sum(gpu))} GPU hours"] if gpu else []
    parts += [f"{hours(sum(cpu))} CPU hours"] if cpu else []
    return listed(parts)


def _facts(chain: Chain) -> Rows:
    columns = ["", *(run.name for run in chain.runs)]
    facts = {
        "task": [run.task or "not known" for run in chain.runs],
        "recipe": [recipe_text(run) for run in chain.runs],
        "method": [_method(run) for run in chain.runs],
        "network and clip": [_network(run) for run in chain.runs],
        "epochs": [_epochs(run) for run in chain.runs],
        "global batch": [str(run.first_launch.get("global_batch") or "–") for run in chain.runs],
        "seed": [str(run.first_launch.get("seed", cfg_value(run.cfg, "RNG_SEED"))) for run in chain.runs],
        "machine": [_machine(run) for run in chain.runs],
        "began": [run.log.began or "–" for run in chain.runs],
        "time": ["–" if run.seconds is None else duration(run.seconds) for run in chain.runs],
        "cost": [cost_text([run]) for run in chain.runs],
        "code": [_code(run) for run in chain.runs],
    }
    rows = [[name, *values] for name, values in facts.items() if any(value not in ("–", "") for value in values)]
    return Rows(columns, rows)


def _method(run: RunRecord) -> str:
    if run.task != "pretrain":
        return ""
    rho = cfg_value(run.cfg, "DATA.TRAIN_CROP_NUM_TEMPORAL")
    return f"{cfg_value(run.cfg, 'CONTRASTIVE.TYPE')}, rho {rho}"


def _network(run: RunRecord) -> str:
    size = cfg_value(run.cfg, "DATA.TRAIN_CROP_SIZE")
    clip = f"{cfg_value(run.cfg, 'DATA.NUM_FRAMES')} x {cfg_value(run.cfg, 'DATA.SAMPLING_RATE')}"
    depth = f" R-{cfg_value(run.cfg, 'RESNET.DEPTH')}" if cfg_value(run.cfg, "MODEL.ARCH") != "mvit" else ""
    return f"{cfg_value(run.cfg, 'MODEL.ARCH')}{depth}, {clip} frames, {size} pixels"


def _epochs(run: RunRecord) -> str:
    wanted = cfg_value(run.cfg, "SOLVER.MAX_EPOCH")
    return f"{len(run.epochs)} of {wanted}" if run.epochs else "–"


def _machine(run: RunRecord) -> str:
    machines = int(run.first_launch.get("num_shards") or 1)
    kind = "GPU" if run.on_gpu else "CPU process"
    text = f"{count(run.processes, kind)}{f' on {machines} machines' if machines > 1 else ''}"
    last: Mapping[str, Any] = next((record for record in reversed(run.stats) if "RAM" in record), {})
    memory = [f"{last['gpu_mem']}B of GPU memory"] if run.on_gpu else []
    memory += [f"{last['RAM']}B of RAM a process"] if "RAM" in last else []
    return f"{text}; {listed(memory)}" if memory else text


def _code(run: RunRecord) -> str:
    code = run.inputs.get("code") or {}
    if not code:
        return f"not recorded (page by rhovideo {__version__})"
    commit = f", commit {str(code['commit'])[:10]}" if code.get("commit") else ""
    return f"rhovideo {code.get('version')}{commit}"


def _changed(run: RunRecord) -> list[Block]:
    """A table of the keys that differ from the nearest recipe's."""
    nearest = nearest_recipe(run)
    if nearest is None:
        wrong = f"{run.name}: config.yaml is missing or damaged, so its keys are not shown"
        return [Text(f"{wrong}; start the run again to write it.", "missing")]
    name, recipe, changed = nearest
    if not changed:
        return []
    rows = [[key, _value(recipe, key), _value(run.cfg, key)] for key in changed[:_MOST_KEYS]]
    more = f" {len(changed) - len(rows)} more are in config.yaml." if len(changed) > len(rows) else ""
    caption = f"{run.name}: keys that differ from {name}, the recipe with the fewest differences.{more}"
    return [Rows(["key", f"in {name}", "here"], rows, caption=caption)]


def _value(cfg: Mapping[str, Any], key: str) -> str:
    value = cfg_value(cfg, key)
    return "–" if value is None else shown(value)


def _data(chain: Chain) -> list[Block]:
    """Lists and checkpoints with their hashes, or counts where an older version recorded none."""
    rows: dict[tuple[str, ...], None] = {}
    for run in chain.runs:
        for item in run.inputs.get("inputs") or []:
            if not isinstance(item, dict):
                continue
            videos = "" if item.get("rows") is None else f"{item['rows']:,}"
            if (official := as_official_count(item.get("official"))) is not None:
                videos = f"{official.listed:,} of {official.official:,} official"
            rows[str(item.get("role")), str(item.get("path")), videos, str(item.get("sha256"))[:16]] = None
    if rows:
        caption = "Data and weights that the results depend on. Of the videos themselves only the sizes are on record."
        return [Rows(["input", "file", "videos", "SHA-256"], [list(row) for row in rows], [2], caption)]
    counts = list_counts(chain.runs[-1])
    if not counts:
        where = chain.runs[-1].data_folder
        return [Text(f"The lists in {where} are not there any more, so their videos are not counted.", "missing")]
    table = [[name, f"{videos:,}", digest] for name, (videos, digest) in counts.items()]
    where = chain.runs[-1].data_folder
    caption = f"Lists in {where} as they are now: this run was made by a version that recorded no hashes."
    return [Rows(["list", "videos", "SHA-256 now"], table, [1], caption)]


def list_counts(run: RunRecord) -> dict[str, tuple[int, str]]:
    """The videos in each list of a run's data folder, and the beginning of its hash."""
    found = {}
    for name in ("train.csv", "val.csv", "test.csv"):
        path = run.data_folder / name
        try:
            content = path.read_bytes()
        except OSError:
            continue
        rows = sum(1 for line in content.splitlines() if line.strip())
        found[name] = (rows, hashlib.sha256(content).hexdigest()[:16])
    return found


def warnings_section(subject: Subject) -> Section:
    """Warnings of the logs, failures, and videos that could not be read."""
    section = Section("warnings", "Warnings")
    runs = subject.runs
    warned: dict[str, list[str]] = {}
    bad: dict[str, Mapping[str, Any]] = {}
    failures: list[str] = []
    for run in runs:
        for warning in run.log.warnings:
            warned.setdefault(warning, []).append(subject.place_of(run))
        bad |= {str(video.get("path")): video for video in run.bad_videos}
        failures += [f"{subject.place_of(run)}: {run.failure}"] if run.failure else []
    lines = [_with_runs(warning, places, len(runs)) for warning, places in warned.items()]
    if failures:
        section.blocks.append(Listing(failures, "bad"))
    if lines:
        section.blocks.append(Listing(lines[:_MOST_WARNINGS], "warn"))
        if len(lines) > _MOST_WARNINGS:
            section.blocks.append(Text(f"{len(lines) - _MOST_WARNINGS} more are in stdout.log.", "note"))
    if bad:
        shown_bad = list(bad.values())[:_MOST_BAD]
        rows = [[str(video.get(key, "")) for key in ("path", "line", "reason")] for video in shown_bad]
        more = f", of which {len(rows)} are shown; all are in bad_videos.jsonl" if len(bad) > len(rows) else ""
        caption = f"{count(len(bad), 'video')} could not be read{more}."
        section.blocks.append(Rows(["video", "line", "reason"], rows, [1], caption))
    if not section.blocks:
        section.blocks.append(Text("None: the logs hold no warning, and every video that was tried could be read."))
    return section


def _with_runs(warning: str, places: Sequence[str], runs: int) -> str:
    """A warning after the runs that gave it; of several runs, all may have."""
    if runs == 1:
        return warning
    if len(places) == runs:
        return f"all runs: {warning}"
    more = len(places) - _MOST_PLACES
    return f"{listed([*places[:_MOST_PLACES], *([f'{more} more'] if more > 0 else [])])}: {warning}"


def again_section(subject: Subject) -> Section:
    """The commands that make the same again."""
    section = Section("again", "How to reproduce")
    chain = subject.main
    commands = commands_of(chain.runs)
    if subject.compares:
        section.blocks.append(Text(f"The chain that is shown in detail, {chain.name}:"))
    if not commands:
        section.blocks.append(Text("No command: config.yaml is missing; start the run again to write it.", "missing"))
        return section
    section.blocks.append(Listing(commands))
    section.blocks += [Text(note, "note") for note in _notes(chain.runs, len(commands))]
    page = f"rhovideo report {shlex.quote(str(subject.path))}"
    section.blocks.append(Text("This page:"))
    section.blocks.append(Listing([page]))
    return section


def _notes(runs: Sequence[RunRecord], commands: int) -> list[str]:
    """What to know before the commands are started."""
    start = next((folder for run in runs if (folder := started_in(run.folder, run.cfg))), None)
    notes = ["Choose another OUTPUT_DIR if you like: a finished run stays as it is."]
    if commands > 1:
        notes[0] += " The later commands name the folders of the earlier ones."
    notes += [f"Start them in {start}: their paths begin there."] if start else []
    machines = max(int(run.first_launch.get("num_shards") or 1) for run in runs)
    if machines > 1:
        notes.append(f"It ran on {machines} machines: add --launcher slurm --nodes {machines}, and what the job needs.")
    lacking = [run.name for run in runs if not run.inputs.get("code") or not run.inputs.get("inputs")]
    if lacking:
        notes.append(
            f"The version of the code and the hashes of lists and checkpoints were not recorded for {listed(lacking)}, "
            "so it cannot be checked that code and data are the same as then."
        )
    else:
        made_by = listed(list(dict.fromkeys(_code(run) for run in runs)))
        notes.append(f"Made by {made_by}. The hashes of lists and checkpoints are under What was run.")
    return notes


def commands_of(runs: Sequence[RunRecord]) -> list[str]:
    """The command of each run of a chain that makes it again, next to the first one.

    A run that took its weights from an earlier one of the chain takes them from that one's new folder.

    Args:
        runs: in their order.
    """
    commands = [_command(run, _new_checkpoints(run, runs[:place])) for place, run in enumerate(runs)]
    return [command for command in commands if command]


def _new_folder(run: RunRecord) -> str:
    return f"{run.cfg.get('OUTPUT_DIR') or run.folder}_again"


def _new_checkpoints(run: RunRecord, earlier: Sequence[RunRecord]) -> dict[str, str]:
    """The keys that name a checkpoint of an earlier run, and the checkpoint that its command makes."""
    found = {}
    for key in _CHECKPOINTS:
        written = Path(str(cfg_value(run.cfg, key) or ""))
        source = next((one for one in reversed(earlier) if _is_checkpoint_of(run.located(str(written)), one)), None)
        if source:
            found[key] = f"{_new_folder(source)}/checkpoints/{written.name}"
    return found


def _is_checkpoint_of(path: Path, run: RunRecord) -> bool:
    folder = path.parent.parent
    # A run that was moved is known by its name.
    same = folder.resolve() == run.folder.resolve() or folder.name == run.name
    return path.parent.name == "checkpoints" and same


def _command(run: RunRecord, checkpoints: Mapping[str, str]) -> str:
    if not run.cfg:
        return ""
    nearest = nearest_recipe(run)
    if nearest is None or len(nearest[2]) > MOST_OVERRIDES:
        configuration, values = str(run.folder / CONFIG_FILE), _moved_data(run)
    else:
        configuration, recipe, changed = nearest
        also = [key for key in _ALSO_REPEATED if cfg_value(run.cfg, key) != cfg_value(recipe, key)]
        files = [key for key in FILES if key not in _ALSO_REPEATED and cfg_value(run.cfg, key)]
        seed = ["RNG_SEED"] if cfg_value(run.cfg, "RNG_SEED") else []
        keys = [*changed, *files, *also, *seed]
        values = {key: shown(_exact(cfg_value(run.cfg, key))) for key in keys} | _moved_data(run)
    values |= {**checkpoints, "OUTPUT_DIR": _new_folder(run)}
    words = [word for key, value in values.items() for word in (key, shlex.quote(value))]
    return " ".join(["rhovideo run --cfg", shlex.quote(configuration), *words])


def _moved_data(run: RunRecord) -> dict[str, str]:
    """The folder of the lists, where it is no longer the one that the configuration names."""
    written = str(cfg_value(run.cfg, "DATA.PATH_TO_DATA_DIR") or "")
    moved = not run.located(written).exists() and run.data_folder.exists()
    return {"DATA.PATH_TO_DATA_DIR": str(run.data_folder)} if moved else {}


def _exact(value: Any) -> Any:
    """Floats as they are read again without loss."""
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    return [_exact(item) for item in value] if isinstance(value, list) else value
