"""The end of a search: the best configuration and the default one, trained with new seeds and scored on test.

Both are trained with the same seeds, none of which any trial had, so the difference is paired, and free of the luck
that made a trial the best.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import kact
from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs import Run
from kact.startup import spare_tensorflow
from kact.stats import Paired, paired
from kact.training import Console
from tuning.plan import Place, Plan
from tuning.records import Execution, Trial, best, rank
from tuning.space import applied
from tuning.workers import Child, supervise

DEFAULT, FINAL = "default", "final"


@dataclass(frozen=True)
class Job:
    """One run that is still to be made, or is made."""

    experiment: Experiment
    out: Path

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self.out / self.experiment.label

    @property
    def done(self) -> bool:
        """Whether the run is finished."""
        return (self.path / "metrics.json").is_file()


@dataclass(frozen=True)
class Final:
    """The best trial's configuration beside the default one.

    Attributes:
        best: the best trial.
        default: the default configuration with the trials' seeds.
        default_wins: whether no trial did better than it on validation.
        chosen: the experiment of `best.toml`: the best trial's, or the default where that wins.
        seeds: of the runs below.
        best_runs, default_runs: a run a seed.
        test: the difference of test accuracy, best minus default, paired by seed.
    """

    best: Trial
    default: Trial
    default_wins: bool
    chosen: Experiment
    seeds: tuple[int, ...]
    best_runs: tuple[Run, ...]
    default_runs: tuple[Run, ...]
    test: Paired


def default_jobs(plan: Plan, place: Place) -> list[Job]:
    """Return the runs of the default configuration with the trials' seeds, made already if it was the first trial."""
    return [Job(plan.base.replace(seed=seed), place.runs) for seed in plan.seeds]


def final_seeds(plan: Plan, count: int) -> tuple[int, ...]:
    """Return the seeds after those of the trials."""
    return tuple(plan.seeds[-1] + 1 + i for i in range(count))


def final_jobs(plan: Plan, place: Place, trial: Trial, count: int) -> list[Job]:
    """Return the runs of the best and the default configuration with new seeds, two of a seed after one another."""
    pair = (applied(plan.base, trial.settings), plan.base)
    return [
        Job(experiment.replace(seed=seed), place.project / FINAL)
        for seed in final_seeds(plan, count)
        for experiment in pair
    ]


def do_jobs(jobs: Sequence[Job], place: Place, workers: int, tell: Callable[[int], None]) -> None:
    """Make runs that are not made yet, here or in worker processes.

    Args:
        jobs: runs; one that is there twice is made once.
        place: of the search.
        workers: processes; 1 makes them here.
        tell: called with the number of runs that are done, whenever there are more.

    Raises:
        KactError: if one of them cannot be made.
    """
    left = list({job.path: job for job in jobs if not job.done}.values())
    if workers == 1 or len(left) < 2:
        for number, job in enumerate(left, start=1):
            make_run(job, place.device)
            tell(number)
        return
    children = [
        Child(f"final{index}", functools.partial(make_runs, left[index::workers], place.device))
        for index in range(min(workers, len(left)))
    ]
    told = 0

    def tick() -> int:
        nonlocal told
        done = sum(job.done for job in left)
        if done > told:
            tell(done)
        told = done
        return done

    supervise(children, place.project / "logs", tick)


def make_runs(jobs: Sequence[Job], device: str, again: bool) -> int:
    """Train some runs to their ends, those that an earlier process finished aside, and return the exit code."""
    spare_tensorflow()
    for job in jobs:
        make_run(job, device)
    return 0


def make_run(job: Job, device: str) -> None:
    """Train one run to its end."""
    with Console(quiet=True) as console:
        kact.run(job.experiment, out=job.out, device=device, progress=console)


def conclude(plan: Plan, place: Place, trials: Sequence[Trial], count: int) -> Final:
    """Return how the best trial compares with the default configuration. All runs are made.

    Raises:
        KactError: if no trial is finished.
    """
    found = best(trials, plan.monitor)
    if found is None:
        raise KactError("No trial is finished: there is no best one.")
    executions = tuple(Execution.of(Run.load(job.path), place.project) for job in default_jobs(plan, place))
    default = Trial(DEFAULT, {}, plan.base.epochs, executions)
    runs = [Run.load(job.path) for job in final_jobs(plan, place, found, count)]
    better = default.status != "finished" or rank(found, plan.monitor) < rank(default, plan.monitor)
    scores = [accuracy(run, "test") for run in runs]
    return Final(
        found,
        default,
        not better,
        applied(plan.base, found.settings) if better else plan.base,
        final_seeds(plan, count),
        tuple(runs[0::2]),
        tuple(runs[1::2]),
        paired(scores[0::2], scores[1::2], np.random.default_rng(0)),
    )


def accuracy(run: Run, split: str) -> float:
    """Return the accuracy on "validation" or "test", in [0, 1]; NaN for a run that diverged."""
    return float("nan") if run.diverged else run.metrics[split]["accuracy"]
