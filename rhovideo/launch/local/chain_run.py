"""One chain of jobs, run in this process. Imports torch once a job starts."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rhovideo.config.files.reading import Loaded
from rhovideo.config.findings import ConfigError
from rhovideo.config.keys import get_value
from rhovideo.errors import as_foreseen
from rhovideo.launch import RankFailed
from rhovideo.launch.chains import checkpoint_source, weights_from, with_checkpoint
from rhovideo.launch.failures import summary
from rhovideo.stopping import Stopped
from rhovideo.terminal import print_line, start_beats, stop_beats


@dataclass(frozen=True)
class JobFailure:
    """The failure of one job.

    Attributes:
        code: the exit code for it: 2 where its configuration is wrong, else 1.
        text: all that a person needs, with the traceback of an error that nobody has foreseen.
        short: the same without a traceback.
        raw: whether ``text`` holds a traceback, and is shown as it is.
    """

    code: int
    text: str
    short: str
    raw: bool = False


@dataclass
class ChainEnd:
    """The end of a chain.

    Attributes:
        failures: of its jobs, by place.
        not_run: places of the jobs that were left out, each with the place of the failed job that is the reason.
    """

    failures: dict[int, JobFailure] = field(default_factory=dict)
    not_run: dict[int, int] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The exit code: that of the first failure."""
        return next((failure.code for _, failure in sorted(self.failures.items())), 0)

    def summary(self, jobs: Sequence[Loaded]) -> str:
        """What failed, and what was not run for it, in one line; empty where all is done."""
        names = job_names(jobs)
        parts = []
        for place in sorted(self.failures):
            left = [names[later] for later, cause in sorted(self.not_run.items()) if cause == place]
            parts.append(f"{names[place]} failed" + (f"; not run: {', '.join(left)}" if left else ""))
        return "; ".join(parts)


def job_names(jobs: Sequence[Loaded]) -> list[str]:
    """A name for each job of a chain: its file, with its run folder where several have the same file."""
    files = [job.file for job in jobs]
    return [job.file if files.count(job.file) == 1 else f"{job.file} ({job.cfg.OUTPUT_DIR})" for job in jobs]


def run_chain(
    jobs: Sequence[Loaded],
    *,
    begin: int = 0,
    end: ChainEnd | None = None,
    starts: Callable[[int, ChainEnd], None] = lambda place, end: None,
    fails: Callable[[int, JobFailure], None] = lambda place, failure: None,
    to_the_end: bool = True,
) -> ChainEnd:
    """Run the jobs of a chain. After a failure only those are left out that take their weights from the failed job.

    Args:
        jobs: in their order.
        begin: the place of the first one to run.
        end: of the jobs before it, which is filled in further.
        starts: is called with the place of each job that starts, and with the end of those before it.
        fails: is called with the place of each job that fails, and with its failure.
        to_the_end: False ends the chain with its first failure.

    Raises:
        Stopped, SystemExit, KeyboardInterrupt: a person has stopped the job, and does not want the next one either.
    """
    end = end or ChainEnd()
    for place in range(begin, len(jobs)):
        cause = _lost_weights(jobs, place, end)
        if cause is not None or (end.failures and not to_the_end):
            end.not_run[place] = next(iter(end.failures)) if cause is None else cause
            continue
        starts(place, end)
        failure = _run_job(jobs, place)
        if failure is not None:
            end.failures[place] = failure
            fails(place, failure)
    return end


def _lost_weights(jobs: Sequence[Loaded], place: int, end: ChainEnd) -> int | None:
    """The failed job because of which a job has no weights, also where a job between them was left out."""
    source = weights_from(jobs, place)
    if source is None or source in end.failures:
        return source
    return end.not_run.get(source)


def _run_job(jobs: Sequence[Loaded], place: int) -> JobFailure | None:
    start_beats("starting the job")
    try:
        from rhovideo.engine.run import run
        from rhovideo.launch.local.processes import launch
        from rhovideo.launch.local.traces import leaving_no_trace

        source = checkpoint_source(jobs, place)
        cfg = with_checkpoint(jobs[place].cfg, source)
        if source:
            print_line(f"{jobs[place].file}: {source[0]} is {get_value(cfg, source[0])}")
        with leaving_no_trace():
            launch(run, cfg)
    except Stopped:
        raise
    except ConfigError as error:
        return JobFailure(2, error.report(), error.report())
    except RankFailed as error:
        return JobFailure(1, str(error), str(error), raw=True)
    except Exception as error:
        return _failure(error)
    finally:
        stop_beats()
    return None


def _failure(error: Exception) -> JobFailure:
    foreseen = as_foreseen(error)
    if foreseen is not None:
        return JobFailure(1, str(foreseen), str(foreseen))
    text = "".join(traceback.format_exception(error)).rstrip()
    return JobFailure(1, text, summary(error), raw=True)
