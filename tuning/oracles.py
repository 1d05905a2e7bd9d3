"""KerasTuner's oracles, which decide what is tried next, made to take up a search exactly where a kill left it.

As they come, a killed search may lose a trial (its file is written before the oracle's), repeat one (the oracle's state
still calls it ongoing), end a grid at once (its place in the grid is not saved) or take another turn (nor is Bayesian
optimisation's random state). Here the oracle's file is the one that counts: it is replaced whole, after the trial's.
"""

from __future__ import annotations

import itertools
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine import trial as kt_trial
from sklearn.exceptions import ConvergenceWarning

from kact.storage.files import atomic
from kact.storage.seals import read_json, sealed_json
from kact.storage.structure import fault
from tuning.plan import FACTOR, Plan
from tuning.records import damaged
from tuning.space import Space

OBJECTIVE = "score"

# What KerasTuner keeps of a search and of a trial, as `kact.storage.structure` takes it.
_VALUES = {str: (str, float, bool, None)}
_STATE = {
    "ongoing_trials": {str: str}, "start_order": [str], "end_order": [str], "run_times": {str: int},
    "retry_queue": [str], "seed": int, "seed_state": int, "tried_so_far": [str], "id_to_hash": {str: (str, None)},
    "display": {"search_start": (str, None), "trial_start": {str: str}, "trial_number": {str: int}},
    "hyperparameters": {"space": [{str: (str, {str: object})}], "values": _VALUES},
    "brackets?": [{"bracket_num": int, "rounds": [[{"past_id": (str, None), "id": str}]]}],
    "current_bracket?": int, "current_iteration?": int, "num_initial_points?": (int, None), "alpha?": float,
    "beta?": float, "hyperband_iterations?": int, "max_epochs?": int, "min_epochs?": int, "factor?": int,
}  # fmt: skip
_TRIAL = {
    "trial_id": str, "hyperparameters": {"space": [{str: (str, {str: object})}], "values": _VALUES},
    "metrics": {"metrics": {str: {"direction": (str, None), "observations": [{"value": [float], "step": int}]}}},
    "score": (float, None), "best_step": (int, None), "status": str, "message": (str, None),
}  # fmt: skip


class Resumable(keras_tuner.Oracle):
    """What is common to all oracles of kact; comes before one of KerasTuner's in the list of parents.

    Attributes:
        space: as the tuner sees it.
        first: the draw of the first trial: the default configuration, where it is in the space.
        keep_ongoing: whether trials that were under way still are, in workers that outlived the chief; they are given
            out anew otherwise.
        stopped: whether a tuner has been told that there is nothing more to try.
    """

    space: Space
    first: dict[str, Any] | None = None
    keep_ongoing = False
    stopped = False

    def create_trial(self, tuner_id: str) -> Any:
        trial = super().create_trial(tuner_id)
        self.stopped = self.stopped or trial.status == "STOPPED"
        return trial

    def end_trial(self, trial: Any) -> None:
        if trial.trial_id in self.end_order:  # told again by a worker that did not hear the chief's answer
            return
        super().end_trial(trial)
        self.save()  # KerasTuner's own was before the trial was taken off the list of those under way

    def save(self) -> None:
        _write(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial: Any) -> None:
        _write(Path(self._get_trial_dir(trial.trial_id)) / "trial.json", trial.get_state())

    def reload(self) -> None:
        file = Path(self._get_oracle_fname())
        search = Path(self._project_dir)
        try:
            state = read_json(file)
            if wrong := fault(state, _STATE) or self._fault_of_space(state):
                raise ValueError(wrong)
            names, ended = state["start_order"], set(state["end_order"])
            under_way = dict(state["ongoing_trials"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise damaged(file, search, error) from None
        self.trials = {}
        for name in names:  # a trial whose file is there and which is not among these is made again, the same
            file = search / f"trial_{name}" / "trial.json"
            try:
                content = read_json(file)
                if wrong := fault(content, _TRIAL):
                    raise ValueError(wrong)
                self.trials[name] = kt_trial.Trial.from_state(content)
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise damaged(file, search, error) from None
        state["ongoing_trials"] = {}
        try:
            self.set_state(state)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(Path(self._get_oracle_fname()), search, error) from None
        if self.keep_ongoing:
            self.ongoing_trials = {id_: self.trials[name] for id_, name in under_way.items() if name not in ended}
            self.tuner_ids = set(self.ongoing_trials)
        kept = {trial.trial_id for trial in self.ongoing_trials.values()}
        waiting = [name for name in names if name not in ended and name not in kept]
        for name in waiting:
            self.trials[name] = kt_trial.Trial(self.trials[name].hyperparameters, trial_id=name)
        self._retry_queue = waiting[::-1]  # taken from its end

    def _fault_of_space(self, state: dict[str, Any]) -> str:
        """Return what is wrong if a state is of another space than this plan's, which it would replace."""
        known = json.loads(json.dumps(self.hyperparameters.get_config()["space"]))
        return "" if state["hyperparameters"]["space"] == known else "its space is not this plan's"

    def _random_values(self) -> dict[str, Any] | None:
        return dict(self.first) if self.first is not None and not self.trials else super()._random_values()

    def _compute_values_hash(self, values: dict[str, Any]) -> str:
        """Hash the settings that drawn values stand for: two draws that are both zero are one trial."""
        rest = {name: value for name, value in values.items() if name not in self.space.entries}
        known = {name: entry for name, entry in self.space.entries.items() if name in values}
        return super()._compute_values_hash({**rest, **Space(known).settings(values)})


class RandomOracle(Resumable, keras_tuner.oracles.RandomSearchOracle):
    """Draws at random."""


class BayesianOracle(Resumable, keras_tuner.oracles.BayesianOptimizationOracle):
    """Draws where a Gaussian process expects most, after a few random trials."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        self._random_state = np.random.RandomState((self.seed + len(self.trials)) % 2**32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of length scales at their bounds, with few trials
            found = super().populate_space(trial_id)
        if found["values"] is not None and self._duplicate(found["values"]):
            return self._random_populate_space()  # the same seeds would only give the same score again
        return found


class HyperbandOracle(Resumable, keras_tuner.oracles.HyperbandOracle):
    """Trains many trials for a short time and the better ones for longer."""


class GridOracle(Resumable, keras_tuner.oracles.GridSearchOracle):
    """Goes through the whole grid, the last hyper-parameter fastest, whoever finishes first."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        names = [parameter.name for parameter in self.hyperparameters.space]
        values = [parameter.values for parameter in self.hyperparameters.space]
        point = next(itertools.islice(itertools.product(*values), len(self.trials), None), None)
        if point is None:
            return {"status": "STOPPED", "values": None}
        return {"status": "RUNNING", "values": dict(zip(names, point, strict=True))}


def make_oracle(plan: Plan) -> Resumable:
    """Return the oracle of a plan. Its draws are a function of the base experiment's seed."""
    common: dict[str, Any] = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max" if plan.monitor == "accuracy" else "min"),
        "hyperparameters": plan.searched.declare(),
        "allow_new_entries": False,
        "tune_new_entries": False,
        # Seeds next to each other would share draws: KerasTuner counts up from its seed. It takes 0 for none.
        "seed": 1 + int(np.random.SeedSequence(plan.base.seed).generate_state(1)[0] >> 2),
        "max_consecutive_failed_trials": sys.maxsize,  # they are counted and told at the end
    }
    oracle: Resumable
    if plan.tuner == "random":
        oracle = RandomOracle(max_trials=plan.trials, **common)
    elif plan.tuner == "bayesian":
        oracle = BayesianOracle(max_trials=plan.trials, num_initial_points=len(plan.space.entries) + 2, **common)
    elif plan.tuner == "hyperband":
        oracle = HyperbandOracle(max_epochs=plan.base.epochs, factor=FACTOR, **common)
        oracle.max_trials = plan.most_trials
    else:
        oracle = GridOracle(max_trials=plan.most_trials, **common)
    oracle.space, oracle.first = plan.searched, plan.searched.draw_of(plan.base)
    oracle.verbose = 0
    return oracle


def _write(path: Path, state: dict[str, Any]) -> None:
    with atomic(path) as temporary:
        temporary.write_text(sealed_json(state), encoding="utf-8")
