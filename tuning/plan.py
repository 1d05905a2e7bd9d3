"""The plan of a search: all that decides which trials it makes and how they score. Equal plans make the same trials.

>>> from kact import Experiment
>>> from tuning.space import make_space
>>> base = Experiment(epochs=2)
>>> plan = Plan(base, make_space(["dropout"], base), "random", trials=4)
>>> plan.label.rsplit("-", 1)[0], plan.seeds
('digits-mlp-relu-random', (0,))
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kact.errors import KactError, shown
from kact.experiment import Experiment
from kact.spec import choose
from kact.storage.files import atomic, explained
from kact.storage.seals import check_toml, sealed_toml
from tuning.space import Space
from tuning.values import Choice

TUNERS = ("bayesian", "random", "hyperband", "grid")
FILE, SEARCH, RUNS = "search.toml", "search", "runs"  # in a search's directory
FACTOR = 3  # Hyperband keeps one trial of so many from rung to rung, and trains it so many times as long


@dataclass(frozen=True)
class Plan:
    """What is searched, how, and how often.

    Attributes:
        base: the experiment that is tuned; its own settings are the default configuration.
        space: what is searched.
        tuner: one of `TUNERS`.
        trials: at most so many; None for a whole grid, or one iteration of Hyperband.
        executions: runs of each trial, with seeds that follow the base's.
        study: number of the published study that it repeats, or "".

    Raises:
        KactError: for an unknown tuner, or fewer than one trial or execution.
    """

    base: Experiment
    space: Space
    tuner: str = "bayesian"
    trials: int | None = 12
    executions: int = 1
    study: str = ""

    def __post_init__(self) -> None:
        choose(self.tuner, TUNERS, {}, "tuner")
        for name in ("trials", "executions"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise KactError.parameter(name, value, "a whole number, at least 1")
        if self.base.train_on != "train":
            raise KactError(
                f"A search chooses on validation, and train_on={self.base.train_on!r} leaves none.",
                "Search with train_on='train', and give best.toml --train-on afterwards.",
            )
        if self.trials is None and self.tuner in ("bayesian", "random"):
            raise KactError(f"The {self.tuner} tuner goes on for ever unless it is told a number of trials.")

    @cached_property
    def searched(self) -> Space:
        """The space as the tuner sees it: for a grid, the values that it takes of each range."""
        if self.tuner != "grid":
            return self.space
        return Space({name: Choice(tuple(entry.grid())) for name, entry in self.space.entries.items()})

    @property
    def most_trials(self) -> int:
        """How many trials the search makes, if none of them is made in vain."""
        if self.tuner == "grid":
            size = self.grid_size
        elif self.tuner == "hyperband":
            size = sum(trials for trials, _ in hyperband_rungs(self.base.epochs))
        else:
            size = self.trials or 0
        return size if self.trials is None else min(size, self.trials)

    @property
    def grid_size(self) -> int:
        """How many points a grid of the space has."""
        return math.prod(len(entry.grid()) for entry in self.space.entries.values())

    @property
    def grows(self) -> bool:
        """Whether a search of more trials begins with these; Hyperband lays its rungs out for all of them."""
        return self.tuner != "hyperband"

    @property
    def most_epochs(self) -> int:
        """How many epochs these trials train in all, each of their executions counted."""
        if self.tuner != "hyperband":
            return self.most_trials * self.base.epochs * self.executions
        epochs, left = 0, self.most_trials
        for trials, new in hyperband_rungs(self.base.epochs):
            epochs += min(trials, left) * new
            left -= min(trials, left)
        return epochs * self.executions

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of each trial's executions."""
        return tuple(self.base.seed + i for i in range(self.executions))

    @property
    def monitor(self) -> str:
        """The validation score that is tuned, "accuracy" (higher is better) or "loss" (lower is)."""
        return self.base.monitor

    @property
    def label(self) -> str:
        """A short name for the search's directory, the same for a search of more trials that goes on with it."""
        name = self.base.label.rsplit("-", 2)[0]
        described = self.to_dict()
        if self.grows:
            described.pop("trials", None)
        digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
        return f"{name}-{self.tuner}-{digest[:8]}"

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values, without those that are None."""
        plain = {
            "tuner": self.tuner,
            "trials": self.trials,
            "executions": self.executions,
            "study": self.study,
            "experiment": self.base.to_dict(),
            "space": self.space.to_dict(),
        }
        return {key: value for key, value in plain.items() if value is not None}

    def to_toml(self) -> str:
        """Return the plan as its file has it."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())


@dataclass(frozen=True)
class Place:
    """Where a search works.

    Attributes:
        project: its directory.
        device: of `kact.run`.
    """

    project: Path
    device: str = "auto"

    @property
    def search(self) -> Path:
        """KerasTuner's directory, with the trials in it."""
        return self.project / SEARCH

    @property
    def runs(self) -> Path:
        """The directory of all runs of all trials."""
        return self.project / RUNS


def hyperband_rungs(epochs: int) -> list[tuple[int, int]]:
    """Return (trials, new epochs of each) for every rung of one iteration of Hyperband, in the order of its brackets.

    Source: Li et al. 2018, https://jmlr.org/papers/v18/16-558.html, with KerasTuner's sizes.

    Example:
        >>> hyperband_rungs(9)
        [(9, 1), (3, 2), (1, 6), (5, 3), (2, 6), (3, 9)]
    """
    brackets = 0
    while epochs / FACTOR**brackets >= 1:
        brackets += 1
    rungs = []
    for bracket in reversed(range(brackets)):
        done = 0
        for rung in range(bracket + 1):
            end_size = math.ceil(1 + math.log(epochs, FACTOR)) / (bracket + 1)
            size = math.ceil(end_size * FACTOR ** (bracket - rung))
            until = math.ceil(epochs / FACTOR ** (bracket - rung))
            rungs.append((size, until - done))
            done = until
    return rungs


def claim(plan: Plan, project: Path, grow: bool = True) -> None:
    """Make a directory this plan's, or see that it is; a plan of more trials goes on with a search of fewer.

    Args:
        plan: of the search.
        project: the directory.
        grow: whether it may become one of more trials; not by a worker.

    Raises:
        KactError: if it holds another search, or one of more trials, or something else.
    """
    file = project / FILE
    if not file.exists():
        orphaned = (project / RUNS).is_dir() and not (project / SEARCH).exists()  # as after a damaged file was deleted
        if project.exists() and not orphaned and any(path.name != ".lock" for path in project.iterdir()):
            raise KactError(
                f"'{project}' is not empty and holds no search.", "Choose another --project, or empty that one."
            )
        with explained(project):
            project.mkdir(parents=True, exist_ok=True)
        _write(plan, file)
        return
    try:
        text = file.read_text(encoding="utf-8")
        check_toml(text)
        found = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise KactError(
            f"'{file}' is damaged: {error}.",
            f"Delete it and the folder '{project / SEARCH}', and give the command again: finished runs are kept.",
        ) from None
    wanted = tomllib.loads(plan.to_toml())
    count, more = found.get("trials", math.inf), wanted.get("trials", math.inf)
    if grow and plan.grows and {**found, "trials": 0} == {**wanted, "trials": 0}:
        if more > count:
            _write(plan, file)
        elif more < count:
            raise KactError(
                f"'{project}' holds a search of {'the whole grid' if count == math.inf else f'{count} trials'}.",
                "Leave --trials away to see it." if count == math.inf else f"Give --trials {count}, or more to go on.",
            )
    elif found != wanted:
        raise KactError(
            f"'{project}' holds another search: {_difference(found, wanted)}.",
            "Choose another --project, or give the command that it was begun with.",
        )


def _write(plan: Plan, file: Path) -> None:
    with atomic(file) as temporary:
        temporary.write_text(sealed_toml(plan.to_toml()), encoding="utf-8")


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any], place: str = "") -> str:
    """Return the first setting that differs, in words."""
    for key in {**found, **wanted}:
        here, there = found.get(key), wanted.get(key)
        name = f"{place}{key}"
        if here == there:
            continue
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            return _difference(here, there, f"{name}.")
        return f"its {name} is {shown(here)}, and this one's {shown(there)}"
    return "nothing differs"
