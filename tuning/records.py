"""What each trial came to, execution by execution: nothing is averaged away, and the trial is chosen by its record.

>>> good = Execution(0, "finished", accuracy=0.9, loss=0.4)
>>> trial = Trial("03", {"dropout": 0.1}, 5, (good, Execution(1, "diverged", error="the loss stopped being a number")))
>>> trial.status, best([trial], "accuracy") is None
('diverged', True)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kact.errors import KactError
from kact.runs import Run
from kact.storage.files import atomic
from kact.storage.seals import read_json, sealed_json
from kact.storage.structure import fault
from kact.wording import counted

STATUSES = ("finished", "diverged", "failed")
FILE = "executions.json"
_PICTURE = {  # of a trial's record, as `kact.storage.structure` takes it
    "name": str, "settings": {str: (str, float, bool, None)}, "asked_epochs": int,
    "executions": [
        {"seed": int, "status": str, "accuracy": (float, None), "loss": (float, None), "best_epoch": int,
         "epochs": int, "seconds": float, "run": str, "error": str},
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Execution:
    """One run of a trial.

    Attributes:
        seed: of the run.
        status: one of `STATUSES`; a run that diverges after a good epoch has diverged all the same.
        accuracy, loss: on validation at the best epoch by the experiment's own rule; None where there is none.
        best_epoch, epochs: counted from 1; 0 where nothing was trained.
        seconds: of training.
        run: the run's directory, relative to the search's; "" where there is none.
        error: why it has no score, in words.
    """

    seed: int
    status: str
    accuracy: float | None = None
    loss: float | None = None
    best_epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0
    run: str = ""
    error: str = ""

    @classmethod
    def of(cls, run: Run, project: Path) -> Execution:
        """Return what a finished run came to. Its test scores are not looked at."""
        metrics = run.metrics
        best = metrics["best_epoch"]
        row: Mapping[str, Any] = run.history[best - 1] if best else {}
        return cls(
            run.experiment.seed,
            "diverged" if run.diverged else "finished",
            accuracy=row.get("validation_accuracy"),
            loss=row.get("validation_loss"),
            best_epoch=best,
            epochs=metrics["epochs"],
            seconds=metrics["timing"]["train_seconds"],
            run=run.path.relative_to(project).as_posix(),
            error=f"the loss stopped being a number in epoch {metrics['epochs']}" if run.diverged else "",
        )


@dataclass(frozen=True)
class Trial:
    """One trial with all its executions.

    Attributes:
        name: its number in the search, as its directory has it.
        settings: hyper-parameter name to value.
        asked_epochs: how long its runs were meant to be.
        executions: in order of their seeds; those after one that failed were not begun.
    """

    name: str
    settings: Mapping[str, Any]
    asked_epochs: int
    executions: tuple[Execution, ...]

    @property
    def status(self) -> str:
        """The worst of its executions': a trial is finished if every one of them is."""
        return max((one.status for one in self.executions), key=STATUSES.index)

    @property
    def error(self) -> str:
        """Why it has no score; "" if it has one."""
        return next((one.error for one in self.executions if one.status != "finished"), "")

    @property
    def seconds(self) -> float:
        """Of training, all executions together."""
        return sum(one.seconds for one in self.executions)

    def score(self, name: str) -> float:
        """Return the mean over its executions of "accuracy" or "loss" on validation; NaN unless it is finished."""
        if self.status != "finished":
            return math.nan
        return float(np.mean([getattr(one, name) for one in self.executions]))

    def save(self, folder: Path) -> None:
        """Write the record into the trial's directory, whole or not at all."""
        with atomic(folder / FILE) as temporary:
            temporary.write_text(sealed_json(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Trial:
        """Read a trial's record.

        Raises:
            KactError: if it is damaged.
        """
        file = folder / FILE
        try:
            content = read_json(file)
            if wrong := fault(content, _PICTURE) or _unfit(content):
                raise ValueError(wrong)
            executions = tuple(Execution(**one) for one in content.pop("executions"))
            return cls(**content, executions=executions)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise damaged(file, folder.parent, error) from None


def _unfit(content: Mapping[str, Any]) -> str:
    """Return what does not go together in a trial's record that has all its parts, or ""."""
    if not content["executions"]:
        return "it has no execution"
    for one in content["executions"]:
        if one["status"] not in STATUSES:
            return f"status is {one['status']!r}"
        if one["status"] == "finished" and (one["accuracy"] is None or one["loss"] is None):
            return "it is finished and has no score"
    return ""


def damaged(file: Path, search: Path, error: Exception) -> KactError:
    """Return the error for a file of a search that cannot be read, with how to go on."""
    return KactError(
        f"'{file}' is damaged: {type(error).__name__}: {error}.",
        f"Delete the folder '{search}' and give the command again: finished runs are kept and not trained again.",
    )


def load_trials(search: Path) -> list[Trial]:
    """Return the records of all trials in a search's directory, in order.

    Raises:
        KactError: for one that is damaged.
    """
    folders = [file.parent for file in search.glob(f"trial_*/{FILE}")]
    return [Trial.load(folder) for folder in sorted(folders, key=_number)]


def _number(folder: Path) -> tuple[int, str]:
    """Return a trial's number: a search that goes on with one of fewer than ten writes it with more digits."""
    name = folder.name.removeprefix("trial_")
    return int(name) if name.isdecimal() else 0, name


def best(trials: Iterable[Trial], monitor: str) -> Trial | None:
    """Return the best of the finished trials that were as long as the longest of them; None if none is finished.

    Higher accuracy wins, and of equal accuracies the lower loss; or lower loss, if that is what is monitored; then the
    earlier trial. Trials that Hyperband stopped early are not compared with those that it let go on.

    Args:
        trials: any, in order.
        monitor: "accuracy" or "loss".
    """
    finished = [trial for trial in trials if trial.status == "finished"]
    longest = max((trial.asked_epochs for trial in finished), default=0)
    compared = (trial for trial in finished if trial.asked_epochs == longest)
    return min(compared, key=lambda trial: rank(trial, monitor), default=None)


def rank(trial: Trial, monitor: str) -> tuple[float, float]:
    """Return what finished trials are sorted by, the best first."""
    return (-trial.score("accuracy") if monitor == "accuracy" else 0.0, trial.score("loss"))


def counts(trials: Sequence[Trial]) -> str:
    """Return how many trials ended how, in words.

    Example:
        >>> counts([Trial("0", {}, 1, (Execution(0, "failed", error="no"),))])
        '1 trial: 0 finished, 0 diverged, 1 failed'
    """
    many = ", ".join(f"{sum(trial.status == status for trial in trials)} {status}" for status in STATUSES)
    return f"{counted(len(trials), 'trial')}: {many}"
