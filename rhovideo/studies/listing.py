"""Lines for people: the studies that there are, and what one is going to do."""

from __future__ import annotations

from collections import Counter

from rhovideo.launch.plan import Plan
from rhovideo.studies.job_names import is_training
from rhovideo.studies.record import StudyRecord
from rhovideo.studies.study_file import find_studies
from rhovideo.studies.study_reader import read_study_file
from rhovideo.terminal import print_line


def as_lines() -> str:
    """The studies that come with the package: name, what it varies, cells, data sets."""
    studies = [read_study_file(path) for path in find_studies(["all"])]
    width = max(len(study.name) for study in studies)
    lines = []
    for study in studies:
        numbers = sum(len(cell.measures) for cell in study.cells)
        size = f"{numbers} numbers" if numbers else "statistics"
        lines.append(f"{study.name:{width}}  {study.title} ({size}; {', '.join(study.data)})")
    return "\n".join(lines) + "\n"


def show_plan(plan: Plan, record: StudyRecord) -> None:
    """Print what each table has, what it lacks, and how many jobs there are."""
    for table in record.tables:
        left_out = Counter(cell.left_out for cell in table.cells if cell.left_out)
        reasons = "".join(f"; {count} left out: {why}" for why, count in left_out.items())
        print_line(f"{table.name}: {table.title}: {len(table.cells)} numbers{reasons}")
    trainings = sum(is_training(job.cfg.OUTPUT_DIR) for job in plan.jobs)
    measurements = len(plan.jobs) - trainings
    seeds = f", seeds {' '.join(map(str, record.seeds))}" if len(record.seeds) > 1 else ""
    print_line(
        f"{len(plan.jobs)} jobs in {len(plan.cells)} chains: {trainings} trainings, {measurements} measurements{seeds}"
    )
