"""Runner: takes a study to its end, whatever happens on the way, and does nothing twice.

First what is tuned, then what is compared. A row goes into the results table as soon as a run ends; a run that was cut
off goes on after its last finished epoch; one whose worker dies, or that fails, is tried once more and then recorded
with its error. So the same command, given again, does what is missing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs import OwnCheck, OwnCode, RunDirectory, has_own
from kact.settings import frozen
from kact.studies.directory import StudyDirectory
from kact.studies.job import Job, Outcome
from kact.studies.row import STAGES, ResultRow
from kact.studies.selection import Selection
from kact.studies.shard import Shard
from kact.studies.study import Study
from kact.studies.tune import choose_settings
from kact.studies.workers import Event, Pool

ATTEMPTS = 2  # a run is begun so often before it is recorded as failed
_LOOK_SECONDS = 0.5  # how often it looks whether it is asked to stop

Key = tuple[str, str, int]


class Watcher(Protocol):
    """What is told of a study while it runs."""

    def stage_began(self, stage: str, runs: int, epochs: int, rows: Iterable[ResultRow]) -> None:
        """A stage of so many runs and epochs begins; `rows` are those of it that are done already."""

    def epochs_done(self, epochs: int) -> None:
        """So many more epochs of the stage are done."""

    def run_done(self, row: ResultRow) -> None:
        """A run is done and safe in the results table."""

    def run_lost(self, experiment: Experiment, reason: str) -> None:
        """A run was cut off, and is tried again."""


@dataclass
class _Task:
    """One run to make, and how far it is."""

    key: Key
    cell: dict[str, Any]
    experiment: Experiment
    after: _Task | None = None
    attempts: int = 0
    epochs: int = 0


@dataclass
class StudyRunner:
    """Runs a study in a directory that is open for it.

    Args:
        study: what to run.
        directory: opened for `study` by this process.
        pool: who trains.
        watcher: told of everything.
        shard: which part of the runs is this machine's.
        selection: which cells are run at all.
        device: where workers train.
        track: a tracker of `kact.training.tracking` that logs every run too, if there is one.
        retry_failed: try runs again that were recorded as failed.

    Raises:
        KactError: from `run`, if the data is missing or is not what earlier runs were of, the disk is full or the table
            is damaged; what is done is kept.
        KeyboardInterrupt: from `run`, if somebody asked it to stop.
    """

    study: Study
    directory: StudyDirectory
    pool: Pool
    watcher: Watcher
    shard: Shard = field(default_factory=Shard)
    selection: Selection = field(default_factory=Selection)
    device: str = "auto"
    track: str | None = None
    retry_failed: bool = False

    def run(self) -> None:
        """Run what is missing of both stages."""
        table = self.directory.table
        table.check()
        own = OwnCheck(self.directory.path, "Give another --out")
        for row in table.rows():
            if has_own(row.experiment) and (provenance := (row.metrics or {}).get("provenance")):
                own.check(Experiment.from_dict(row.experiment), provenance["data"], OwnCode.noted(provenance))
        for stage in STAGES if self.study.tune is not None else ("compare",):
            chosen = choose_settings(self.study, table.rows("tune")) if stage == "compare" else {}
            tasks = self._tasks(stage, chosen)
            rows = {(row.stage, row.hash, row.seed): row for row in table.rows(stage)}
            done = [rows[task.key] for task in tasks if task.key in rows and not self._is_made_again(rows[task.key])]
            kept = {(row.stage, row.hash, row.seed) for row in done}
            missing = [task for task in tasks if task.key not in kept]
            self.watcher.stage_began(stage, len(tasks), sum(task.experiment.epochs for task in tasks), done)
            missing = [task for task in missing if not self._has_no_choice(task, stage, chosen)]
            for task in missing:  # also runs that the table knows nothing of: cut off, or of a table that was lost
                if has_own(task.experiment.to_dict()):
                    begun_with = RunDirectory(self.directory.runs / task.experiment.label).begun_with
                    own.check(task.experiment, *begun_with)
            self._prepare(missing)
            self._work_off(missing)

    def _tasks(self, stage: str, chosen: Mapping[Any, Any]) -> list[_Task]:
        """Return this shard's runs of a stage, shorter ones first where longer ones go on from them."""
        wanted = self.selection.of(self.study, stage, self.study.experiments(stage, chosen))
        tasks = [_Task((stage, experiment.hash, experiment.seed), cell, experiment) for cell, experiment in wanted]
        if self.study.continue_epochs:
            tasks.sort(key=lambda task: task.experiment.epochs)
            longest: dict[Experiment, _Task] = {}
            for task in tasks:
                curve = task.experiment.replace(epochs=1)
                task.after = longest.get(curve)
                longest[curve] = task
        units = self.shard.units(self.study, ((task.cell, task.experiment) for task in tasks))
        return [task for task, unit in zip(tasks, units, strict=True) if self.shard.has(unit)]

    def _is_made_again(self, row: ResultRow) -> bool:
        """Return whether a run failed and is to be tried again, or a file of its directory is damaged."""
        if row.status == "failed":
            return self.retry_failed
        folder = self.directory.path / row.path
        return folder.is_dir() and not RunDirectory(folder).whole

    def _has_no_choice(self, task: _Task, stage: str, chosen: Mapping[Any, Any]) -> bool:
        """Record a compared run as failed if no candidate of its group was left after tuning."""
        tune = self.study.tune
        if tune is None or stage == "tune" or chosen[tune.group(task.cell, self.study.compare)] is not None:
            return False
        names = ", ".join(tune.grid)
        self._record(task, Outcome("failed", error=f"Every candidate of {names} diverged or failed in tuning."))
        return True

    def _prepare(self, tasks: list[_Task]) -> None:
        """Read each data set and backbone once before anything is trained, and raise what is missing."""
        jobs = {}
        for task in tasks:
            experiment = task.experiment
            jobs[experiment.task, experiment.data, experiment.backbone] = self._job(task, prepare=True)
        for job in jobs.values():
            for _ in range(ATTEMPTS):
                event = self._only_event(job)
                if event.kind == "done":
                    break
            if event.outcome is None or event.outcome.status == "failed":
                problem, _, next_step = (event.outcome.error if event.outcome else event.reason).partition("\n")
                raise KactError(problem, next_step)

    def _only_event(self, job: Job) -> Event:
        """Do one job, and return how it ended."""
        self.pool.submit(job)
        while True:
            self._obey()
            for event in self.pool.events(_LOOK_SECONDS):
                if event.kind != "epoch":
                    return event

    def _work_off(self, missing: list[_Task]) -> None:
        """Make runs until none is left."""
        waiting = deque(missing)
        running: dict[Job, _Task] = {}
        undone = {task.key for task in missing}
        while waiting or running:
            self._obey()
            while self.pool.free > 0 and (task := _next_ready(waiting, undone)) is not None:
                task.attempts += 1
                job = self._job(task)
                running[job] = task
                self.pool.submit(job)
            for event in self.pool.events(_LOOK_SECONDS):
                task = running[event.job]
                if event.kind == "epoch":
                    self._count(task, event.epochs)
                    continue
                del running[event.job]
                outcome = event.outcome or Outcome("failed", error=event.reason)
                if outcome.disk_full:
                    raise KactError(
                        f"The disk of '{self.directory.path}' is full: {outcome.error.splitlines()[0]}",
                        "Free some space and give the same command again; what was finished is kept.",
                    )
                if outcome.status == "failed" and task.attempts < ATTEMPTS:
                    self.watcher.run_lost(task.experiment, outcome.error)
                    waiting.appendleft(task)
                    continue
                self._record(task, outcome)
                undone.discard(task.key)

    def _job(self, task: _Task, prepare: bool = False) -> Job:
        runs = self.directory.runs.absolute()
        shorter = str(runs / task.after.experiment.label) if task.after is not None and not prepare else None
        keep = self.study.continue_epochs
        return Job(task.experiment, str(runs), self.device, shorter, keep, self.track, prepare)

    def _record(self, task: _Task, outcome: Outcome) -> None:
        stage, digest, seed = task.key
        row = ResultRow(
            digest,
            seed,
            stage,
            {name: frozen(value) for name, value in task.cell.items()},
            task.experiment.to_dict(),
            outcome.status,
            outcome.metrics,
            outcome.history,
            outcome.error,
            f"{self.directory.runs.name}/{task.experiment.label}",
            task.attempts,
            time.time(),
        )
        self.directory.table.add(row)
        self._count(task, task.experiment.epochs)
        self.watcher.run_done(row)

    def _count(self, task: _Task, epochs: int) -> None:
        if epochs > task.epochs:  # a run that is tried again is not counted twice
            self.watcher.epochs_done(epochs - task.epochs)
            task.epochs = epochs

    def _obey(self) -> None:
        if self.directory.stop_is_asked():
            raise KeyboardInterrupt


def _next_ready(waiting: deque[_Task], undone: set[Key]) -> _Task | None:
    """Take the first task that waits for no other out of the queue."""
    for task in waiting:
        if task.after is None or task.after.key not in undone:
            waiting.remove(task)
            return task
    return None
