"""Jobs on SLURM: one submission a stage of the chain, through submitit; an array where a study has several cells."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from fvcore.common.config import CfgNode
from submitit import SlurmExecutor
from submitit.core.utils import FailedJobError

from rhovideo.config.loading import Loaded
from rhovideo.config.problems import ConfigError, Problem
from rhovideo.config.slurm import sbatch_parameters
from rhovideo.engine.first_launch import check_resume
from rhovideo.errors import JobError
from rhovideo.launch import batch, records
from rhovideo.launch.jobs import checkpoint_source
from rhovideo.launch.plan import Plan, write_study_record
from rhovideo.launch.preflight import check_before_queueing, doubts_before_queueing
from rhovideo.launch.slurm_task import SlurmTask
from rhovideo.launch.snapshot import snapshot
from rhovideo.terminal import say

_SBATCH_SECONDS = 120


@dataclass(frozen=True)
class Stage:
    """One submission: the jobs at one place of the chain, of all cells.

    Attributes:
        number: its place in the chain, from 0.
        name: as the queue shows it.
        chains: the chain of every cell; the stage's own jobs are those at ``number``.
        folder: holds submitit's files in ``slurm`` and the code's copy in ``code``.
    """

    number: int
    name: str
    chains: list[list[Loaded]]
    folder: Path

    @property
    def jobs(self) -> list[Loaded]:
        return [chain[self.number] for chain in self.chains]

    @property
    def slurm_folder(self) -> Path:
        return self.folder / "slurm"

    @property
    def cfg(self) -> CfgNode:
        """The configuration that asks for the resources; the jobs of a stage all ask for the same."""
        return self.jobs[0].cfg


def submit_plan(plan: Plan, *, resume: bool = False, dry_run: bool = False) -> int:
    """Check everything, then queue all jobs.

    Args:
        plan: cells and their chains, loaded for SLURM.
        resume: go on in run folders that already hold a run.
        dry_run: print the configurations and the sbatch files instead.

    Returns:
        0.

    Raises:
        ConfigError: with every problem found before anything is queued.
        JobError: SLURM refused a job; those queued before it have been cancelled.
    """
    stages = _stages(plan)
    if dry_run:
        _print(stages)
        return 0
    jobs = [job for cell in plan.cells for job in cell.jobs]
    _refuse([*check_before_queueing(jobs, resume=resume), *_check_resumes(jobs)])
    for doubt in doubts_before_queueing(jobs):
        say(doubt)
    _rehearse(stages)
    for stage in stages:
        _test(stage)
    if plan.study:
        write_study_record(plan, "slurm")
    _submit(stages, plan)
    say("look after it: rhovideo status, logs -f, cancel " + str(plan.study or stages[0].cfg.OUTPUT_DIR))
    return 0


def _stages(plan: Plan) -> list[Stage]:
    chains = [cell.jobs for cell in plan.cells]
    stages = []
    for number, job in enumerate(chains[0]):
        stem = Path(job.file).stem
        own = Path(job.cfg.OUTPUT_DIR) if plan.study is None else plan.study / "submissions" / f"{number + 1}_{stem}"
        # SLURM starts the script in the folder of the submission, and a later shell may be anywhere.
        stages.append(Stage(number, job.cfg.SLURM.NAME or stem, chains, own.absolute()))
    return stages


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise ConfigError(dict.fromkeys(problems))


def _check_resumes(jobs: Sequence[Loaded]) -> list[Problem]:
    """A run that goes on keeps its global batch, which not every number of processes can share."""
    return [
        job.problem(finding)
        for job in jobs
        for finding in check_resume(job.cfg, job.cfg.SLURM.NODES * job.cfg.SLURM.TASKS_PER_NODE)
    ]


def _rehearse(stages: list[Stage]) -> None:
    """What takes torch: the lists' first rows, and each network built once."""
    from rhovideo.launch.rehearsal import rehearse

    problems = []
    for stage in stages:
        for job in stage.jobs:
            problems += [job.problem(finding) for finding in rehearse(job.cfg)]
    _refuse(problems)


def _executor(stage: Stage, code: Path, dependency: str = "") -> SlurmExecutor:
    before, after = batch.script_lines(sys.executable, code, stage.slurm_folder)
    parameters = sbatch_parameters(stage.cfg)
    additional = parameters.pop("additional_parameters", {})
    if dependency:
        additional |= {"dependency": dependency, "kill-on-invalid-dep": "yes"}
    executor = SlurmExecutor(stage.slurm_folder)
    executor.update_parameters(
        **parameters,
        job_name=stage.name,
        setup=[*stage.cfg.SLURM.SETUP, *before],
        teardown=after,
        srun_args=_srun_words(stage.cfg),
        array_parallelism=stage.cfg.SLURM.MAX_JOBS or len(stage.jobs),
        additional_parameters=additional,
    )
    return executor


def _srun_words(cfg: CfgNode) -> list[str]:
    # A rank that leaves without the others must not keep them waiting.
    words = ["--kill-on-bad-exit=1", "--wait=60"]
    if cfg.SLURM.CPUS_PER_TASK:
        # Since 22.05 srun no longer takes it over from sbatch.
        words.append(f"--cpus-per-task={cfg.SLURM.CPUS_PER_TASK}")
    return words


def _script(stage: Stage, code: Path) -> str:
    """The sbatch file, as submitit writes it."""
    executor = _executor(stage, code)
    if len(stage.jobs) > 1:
        executor.parameters["map_count"] = len(stage.jobs)
    return executor._make_submission_file_text(executor._submitit_command_str, "")


def _print(stages: list[Stage]) -> None:
    for stage in stages:
        for job in stage.jobs:
            print(f"---\n# {job.file}\n{job.cfg.dump()}", end="")
    for stage in stages:
        waits = f", after stage {stage.number}" if stage.number else ""
        print(f"---\n# sbatch file of stage {stage.number + 1}, {stage.name}: {len(stage.jobs)} job(s){waits}")
        print(_script(stage, stage.folder / "code" / "SNAPSHOT"))


def _test(stage: Stage) -> None:
    """Let SLURM say what it would refuse: an account, a limit, more nodes than there are."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(_script(stage, stage.folder / "code"))
        file.flush()
        command = ["sbatch", "--test-only", file.name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SBATCH_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise JobError(
                f"sbatch has not answered within {_SBATCH_SECONDS} seconds: is the cluster up (`sinfo`)?"
            ) from None
    if done.returncode:
        raise _refused(stage, done.stderr)


def _refused(stage: Stage, stderr: str) -> JobError:
    said = "; ".join(line.removeprefix("sbatch: ").removeprefix("error: ") for line in stderr.strip().splitlines())
    first = stage.jobs[0]
    return JobError(
        f"SLURM refuses {first.file}: {said or 'no reason given'}. Nothing was left in the queue. "
        "Put the SLURM section, cluster.yaml or the flags right (--partition, --account, --qos, --time, --nodes, ...); "
        "--dry-run shows the sbatch file"
    )


def _submit(stages: list[Stage], plan: Plan) -> None:
    submitted: list[str] = []
    before: list[str] = []
    for stage in stages:
        try:
            before = _submit_stage(stage, plan, before)
        except BaseException:
            if submitted:
                subprocess.run(["scancel", *submitted], timeout=_SBATCH_SECONDS, check=False)
            raise
        submitted.append(before[0].partition("_")[0])


def _submit_stage(stage: Stage, plan: Plan, before: list[str]) -> list[str]:
    """Queue a stage; the id of each of its jobs."""
    folders = [Path(job.cfg.OUTPUT_DIR).absolute() for job in stage.jobs]
    finished = [_is_finished(job.cfg) for job in stage.jobs]
    batch.write_runs(stage.slurm_folder, folders, finished, stage.cfg.SLURM.MAX_FAILURES)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / records.CANCELLED_FILE).unlink(missing_ok=True)
    # aftercorr lets each job of an array wait for its own cell alone.
    kind = "aftercorr" if len(stage.jobs) > 1 else "afterok"
    dependency = f"{kind}:{before[0].partition('_')[0]}" if before else ""
    executor = _executor(stage, snapshot(stage.folder / "code"), dependency)
    tasks = [SlurmTask(chain[stage.number].cfg, checkpoint_source(chain, stage.number)) for chain in stage.chains]
    try:
        jobs = executor.submit_array(tasks)
    except FailedJobError as error:
        raise _refused(stage, str(error)) from error
    ids = [job.job_id for job in jobs]
    for number, (job, folder, job_id) in enumerate(zip(stage.jobs, folders, ids, strict=True)):
        records.write_job(folder, _record(stage, job, folder, job_id, before[number] if before else "", plan))
        say(f"job {job_id}: {job.file} in {job.cfg.OUTPUT_DIR}")
    return ids


def _record(stage: Stage, job: Loaded, folder: Path, job_id: str, depends_on: str, plan: Plan) -> records.Job:
    cfg = job.cfg
    earlier = records.read_job(folder)
    return records.Job(
        name=stage.name,
        task=cfg.TASK,
        config=job.file,
        launcher="slurm",
        job_id=job_id,
        output_dir=str(folder),
        slurm_folder=str(stage.slurm_folder),
        nodes=cfg.SLURM.NODES,
        tasks_per_node=cfg.SLURM.TASKS_PER_NODE,
        global_batch=cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS,
        submitted=time.time(),
        depends_on=depends_on,
        earlier_ids=[*earlier.earlier_ids, earlier.job_id] if earlier and earlier.job_id else [],
        study=str(plan.study.absolute()) if plan.study else "",
    )


def _is_finished(cfg: CfgNode) -> bool:
    """Whether the run folder holds the results of just this configuration."""
    folder = Path(cfg.OUTPUT_DIR)
    try:
        done = (folder / "config.yaml").read_text(encoding="utf-8")
    except OSError:
        return False
    return (folder / "results.json").exists() and _what_is_run(done) == _what_is_run(cfg.dump())


def _what_is_run(text: str) -> dict:
    """A configuration without the resources, and without the checkpoint that a chain fills in."""
    values = yaml.safe_load(text)
    for key in ("SLURM", "NUM_SHARDS", "NUM_GPUS", "NUM_CPU_PROCESSES", "OUTPUT_DIR"):
        values.pop(key, None)
    for section in ("TRAIN", "TEST"):
        values[section].pop("CHECKPOINT_FILE_PATH", None)
        values[section].pop("BATCH_SIZE", None)
    return values
