"""One search from its beginning to its page: the estimate, the trials, the runs at the end, what is told."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from kact.errors import KactError
from kact.runs import OwnCheck, RunDirectory, has_own
from kact.startup import spare_tensorflow
from kact.storage.files import held
from kact.wording import duration
from tuning.clock import Clock, Pace, measure
from tuning.command_line import TuneOptions
from tuning.distributed import await_chief, check_port, free_port, serve
from tuning.final import conclude, default_jobs, do_jobs, final_jobs
from tuning.plan import FILE as PLAN_FILE
from tuning.plan import Place, Plan, claim
from tuning.records import FILE, Trial, best, counts, load_trials
from tuning.report import verdict, write_report, write_trials
from tuning.search import Tuner
from tuning.space import applied
from tuning.workers import Child, supervise


def tune(plan: Plan, project: Path, options: TuneOptions) -> int:
    """Search, train the best again and report; from wherever an earlier process left it.

    Args:
        plan: what is searched.
        project: the directory of the search.
        options: how; those of the plan are not looked at.

    Returns:
        The exit code: 1 if no trial finished.
    """
    place = Place(project, options.device)
    if options.port is not None:
        check_port("127.0.0.1", options.port)
    with working_in(project):
        claim(plan, project)
        check_own(plan, place)
        names = ", ".join(plan.space.entries)
        print(f"Searching {names} of {plan.base.model.name} on {plan.base.task} ({plan.tuner}).", flush=True)
        spare_tensorflow()
        story = Story(plan, place, options, measure(plan.base, project, options.device))
        story.begin()
        try:
            trials = _search(plan, place, options, story)
            return _conclude(plan, place, options, trials, story)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("Stopped; what is finished is safe. The same command goes on.") from None


def _search(plan: Plan, place: Place, options: TuneOptions, story: Story) -> list[Trial]:
    """Run all trials, here or in worker processes, and return their records."""
    if options.workers == 1:
        Tuner(plan, place, tell=story.trial_done).search()
    else:
        count = min(options.workers, plan.most_trials)
        chief, workers = crew(plan, place, count, options.port or free_port())
        supervise(workers, place.project / "logs", story.look, chief)
    return load_trials(place.search)


def crew(plan: Plan, place: Place, workers: int, port: int) -> tuple[Child, list[Child]]:
    """Return the chief and the workers of a search, not yet started.

    Args:
        plan: of the search.
        place: of the search.
        workers: how many.
        port: of this machine, where the chief listens.
    """
    address = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}

    def child(name: str, part: str) -> Child:
        work = functools.partial(play, part, plan, place.project, place.device, True)
        return Child(name, work, {**address, "KERASTUNER_TUNER_ID": name})

    return child("chief", "chief"), [child(f"tuner{i}", "worker") for i in range(workers)]


def _conclude(plan: Plan, place: Place, options: TuneOptions, trials: Sequence[Trial], story: Story) -> int:
    """Train the best and the default configuration with new seeds, write everything, and return the exit code."""
    found = best(trials, plan.monitor)
    print(f"{counts(trials)}.")
    if found is None:
        print(f"No trial finished, so there is no best one. The first said: {_first_error(trials)}")
        print(f"trials {write_trials(plan, place.project, trials)}")
        return 1
    jobs = [*default_jobs(plan, place), *final_jobs(plan, place, found, options.final_seeds)]
    left = len({job.path for job in jobs if not job.done})
    if left:
        print(f"The default configuration and trial {found.name} are trained with new seeds: {left} runs.", flush=True)
    do_jobs(jobs, place, options.workers, lambda done: story.run_done(done, left))
    final = conclude(plan, place, trials, options.final_seeds)
    files = write_report(plan, place.project, trials, final)
    print(verdict(final))
    print(f"best   {files.best}\ntrials {files.trials}\npage   {files.page}")
    print(f"train  {files.train_command}\nserve  {files.serve_command}")
    return 0


def check_own(plan: Plan, place: Place) -> None:
    """Refuse to go on with trials of data or code of the user's own that is another now.

    Raises:
        KactError: if it is, or can be used no longer.
    """
    own = OwnCheck(place.project, "Give another --project")
    for trial in load_trials(place.search):
        experiment = applied(plan.base, dict(trial.settings))
        for one in trial.executions:
            if one.run and has_own(experiment.to_dict()):
                own.check(experiment, *RunDirectory(place.project / one.run).begun_with)


def play(part: str, plan: Plan, project: Path, device: str, child: bool, again: bool) -> int:
    """Be the chief or a worker of a search.

    Args:
        part: "chief" or "worker".
        plan: of the search; the same for all.
        project: the directory that all of them share.
        device: of `kact.run`.
        child: whether a parent on this machine has the directory's lock and tells how it goes.
        again: whether another was it before, so that workers may have lived through the chief's death; a chief without
            a parent thinks so.
    """
    place = Place(project, device)
    if part == "worker":
        spare_tensorflow()
        if not child:
            await_chief(project / PLAN_FILE)
            claim(plan, project, grow=False)
        Tuner(plan, place, tell=None if child else lambda trial: print(told(trial, plan.monitor), flush=True)).search()
        return 0
    with contextlib.nullcontext() if child else working_in(project):
        if not child:
            claim(plan, project)
            print("The chief waits for workers, and runs no trial itself.", flush=True)
        serve(Tuner(plan, place, keep_ongoing=again or not child).oracle)
        if not child:
            print("All trials are done. The command without KERASTUNER_... variables trains the best and reports.")
    return 0


class Story:
    """Tells how a search gets on.

    Args:
        plan: of the search.
        place: of the search.
        options: the number of workers and of seeds at the end.
        pace: of the default configuration.
    """

    def __init__(self, plan: Plan, place: Place, options: TuneOptions, pace: Pace) -> None:
        self.plan, self.place, self.pace, self.workers = plan, place, pace, options.workers
        default_is_tried = plan.tuner != "hyperband" and plan.searched.draw_of(plan.base) is not None
        self.final_runs = 2 * options.final_seeds + (0 if default_is_tried else plan.executions)
        self._told = {trial.name for trial in load_trials(place.search)}
        self._again = len(self._told)
        self.clock = Clock(0.0)

    def begin(self) -> None:
        """Say how much there is to do, and how long it will take."""
        plan, pace = self.plan, self.pace
        runs, epochs = plan.most_trials * plan.executions, plan.most_epochs
        share = 1 - self._again / plan.most_trials
        search = pace.seconds(round(runs * share), round(epochs * share), self.workers)
        final = pace.seconds(self.final_runs, self.final_runs * plan.base.epochs, self.workers)
        self.clock = Clock(search + final)
        again = f" {self._again} are done." if self._again else ""
        print(
            f"{plan.most_trials} trials with {epochs} epochs in all, and {self.final_runs} runs at the end.{again}"
            f" About {duration(search + final)}, by {pace.epoch_seconds:.2g} s an epoch of the default configuration."
        )
        if plan.tuner == "grid" and plan.grid_size > plan.most_trials:
            print(f"The grid has {plan.grid_size} points; the first {plan.most_trials} of them are tried.")
        print(f"search {self.place.project}", flush=True)

    def trial_done(self, trial: Trial) -> None:
        """Tell of a trial that is over."""
        if trial.name in self._told:
            return
        self._told.add(trial.name)
        epochs = sum(one.epochs for one in trial.executions)
        self.clock.add(self.pace.seconds(len(trial.executions), epochs) / self.workers)
        print(
            f"{len(self._told):>{len(str(self.plan.most_trials))}}/{self.plan.most_trials} "
            f"{told(trial, self.plan.monitor)}  {duration(self.clock.left)} left",
            flush=True,
        )

    def look(self) -> int:
        """Tell of the trials that workers have finished since the last look, and return how many are done."""
        for file in sorted(self.place.search.glob(f"trial_*/{FILE}")):
            if file.parent.name.removeprefix("trial_") not in self._told:
                self.trial_done(Trial.load(file.parent))
        return len(self._told)

    def run_done(self, done: int, total: int) -> None:
        """Tell of a run of the end that is done."""
        self.clock.add(self.pace.seconds(1, self.plan.base.epochs) / self.workers)
        print(f"run {done}/{total} done  {duration(self.clock.left)} left", flush=True)


def told(trial: Trial, monitor: str) -> str:
    """Return a trial in a line."""
    settings = "  ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in trial.settings.items()
    )
    score = f"{monitor} {trial.score(monitor):.4f}" if trial.status == "finished" else f"{trial.status}: {trial.error}"
    return f"trial {trial.name}  {settings}  {score}".replace("\n", " ")


def working_in(project: Path) -> AbstractContextManager[None]:
    """Keep a search's directory for one command.

    Raises:
        KactError: if another works in it, or it cannot be written.
    """
    busy = KactError(f"Another search is working in '{project}'.", "Wait for it to end, or choose another --project.")
    return held(project, busy)


def _first_error(trials: Sequence[Trial]) -> str:
    return next((trial.error for trial in trials if trial.error), "nothing.")
