"""The search: KerasTuner says what is tried next, and each trial's executions are kact runs.

A trial's score is the mean over its executions of the validation score at the best epoch, by the experiment's own rule.
Everything is on disk at any moment: killed and given again, a search goes on, and ends with the same trials and scores.
"""

from __future__ import annotations

import contextlib
import io
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine import base_tuner

import kact
from kact.command_line import of_the_machine
from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs import RunDirectory
from kact.training import Console
from tuning.oracles import OBJECTIVE, Resumable, make_oracle
from tuning.plan import SEARCH, Place, Plan
from tuning.records import Execution, Trial
from tuning.space import applied


class Tuner(base_tuner.BaseTuner):
    """Runs the trials that an oracle hands out: the oracle here, or the chief's where there is one.

    Args:
        plan: what is searched.
        place: where.
        keep_ongoing: of `Resumable`.
        tell: called with each trial's record when it is over.
    """

    def __init__(
        self, plan: Plan, place: Place, *, keep_ongoing: bool = False, tell: Callable[[Trial], None] | None = None
    ) -> None:
        self.plan, self.place, self.tell = plan, place, tell
        oracle = make_oracle(plan)
        oracle.keep_ongoing = keep_ongoing
        with contextlib.redirect_stdout(io.StringIO()):  # that it reloads
            super().__init__(oracle, directory=str(place.project), project_name=SEARCH)
        if self._is_worker():
            from tuning.distributed import PatientClient

            self.oracle: Resumable = PatientClient(oracle)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        values = trial.hyperparameters.values
        shorter = self._record(values["tuner/trial_id"]) if "tuner/trial_id" in values else None
        epochs = int(values.get("tuner/epochs", self.plan.base.epochs))
        record = run_trial(
            self.plan, self.place, str(trial.trial_id), self.plan.searched.settings(values), epochs, shorter
        )
        record.save(Path(self.get_trial_dir(trial.trial_id)))
        if record.status != "finished":
            raise keras_tuner.errors.FailedTrialError(record.error)
        return {OBJECTIVE: record.score(self.plan.monitor)}

    def on_trial_end(self, trial: Any) -> None:
        super().on_trial_end(trial)
        if self.tell is not None:
            self.tell(self._record(trial.trial_id))

    def _record(self, name: str) -> Trial:
        """Return the record of a trial that is over; a damaged one stops the search."""
        try:
            return Trial.load(self.place.search / f"trial_{name}")
        except KactError as error:
            raise keras_tuner.errors.FatalError(str(error)) from error

    def save(self) -> None:
        if not self._is_worker():
            self.oracle.save()

    def reload(self) -> None:
        if not self._is_worker():
            self.oracle.reload()

    def _get_tuner_fname(self) -> str:  # a tuner has no state of its own; there is one to reload if the oracle has one
        return str(self.place.search / "oracle.json")

    def search(self) -> None:
        """Run trials until there are no more.

        Raises:
            KactError: if something stops the whole search, such as a full disk; finished trials are kept.
        """
        try:
            super().search()
        except keras_tuner.errors.FatalError as error:
            raise error.__cause__ if isinstance(error.__cause__, KactError) else KactError(str(error)) from None


def run_trial(
    plan: Plan, place: Place, name: str, settings: dict[str, Any], epochs: int, shorter: Trial | None = None
) -> Trial:
    """Run a trial's executions, one after another, up to the first that fails or diverges.

    Args:
        plan: of the search.
        place: of its runs.
        name: of the trial.
        settings: of the trial.
        epochs: how long each run is.
        shorter: the trial with fewer epochs whose runs these go on from, where the learning rate's schedule allows.

    Raises:
        keras_tuner.errors.FatalError: if no other trial could do better, as on a full disk.
    """
    executions = []
    for seed in plan.seeds:
        try:
            experiment = applied(plan.base, settings).replace(epochs=epochs, seed=seed)
            before = _shorter_run(shorter, seed, experiment, place)
        except KactError as error:
            executions.append(Execution(seed, "failed", error=str(error)))
            break
        executions.append(execute(experiment, place, before))
        if executions[-1].status != "finished":
            break
    return Trial(name, settings, epochs, tuple(executions))


def execute(experiment: Experiment, place: Place, continue_from: Path | None = None) -> Execution:
    """Run one experiment and return what it came to; a failure is a result.

    Raises:
        keras_tuner.errors.FatalError: if it could not be written, or the machine has no memory left.
    """
    try:
        RunDirectory(place.runs / experiment.label).drop_damaged()
        with Console(quiet=True) as console:  # lets Ctrl-C in between two batches
            run = kact.run(
                experiment, out=place.runs, device=place.device, progress=console, continue_from=continue_from
            )
    except KactError as error:
        if isinstance(error.__cause__, OSError):
            raise keras_tuner.errors.FatalError(str(error)) from error
        return Execution(experiment.seed, "failed", error=str(error))
    except Exception as error:  # whatever a backend or somebody's own activation raises is this trial's failure alone
        refused = of_the_machine(error)
        if refused is not None and "CUDA" not in str(error):  # a network too large for a GPU is a failure like others
            raise keras_tuner.errors.FatalError(refused) from error
        traceback.print_exc()
        return Execution(experiment.seed, "failed", error=f"{type(error).__name__}: {error}")
    return Execution.of(run, place.project)


def _shorter_run(shorter: Trial | None, seed: int, experiment: Experiment, place: Place) -> Path | None:
    if shorter is None or experiment.schedule.split("(")[0] != "constant":
        return None
    return next((place.project / one.run for one in shorter.executions if one.seed == seed), None)
