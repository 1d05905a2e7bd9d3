"""How long a search will take: measured on two epochs of the default configuration, corrected by what is done since.

>>> pace = Pace(prepare_seconds=1.0, epoch_seconds=2.0, finish_seconds=0.5)
>>> pace.seconds(runs=2, epochs=10)
23.0
"""

from __future__ import annotations

import math
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import kact
from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs.history import Row
from kact.storage.files import atomic
from kact.storage.seals import read_json, sealed_json
from kact.storage.structure import fault
from kact.training import Console

STARTING_SECONDS = 1.0  # of a worker process; a few more on TensorFlow and JAX, where each loads Keras for itself
_TRUSTED_SHARE = 0.25  # of the estimate, that counts as if it had been measured: the first trials are slow to begin


@dataclass(frozen=True)
class Pace:
    """How long the parts of a run take.

    Attributes:
        prepare_seconds: until training begins, and what the first epoch takes longer than the next.
        epoch_seconds: one pass over the training set, and the validation score.
        finish_seconds: the scores at the end.
    """

    prepare_seconds: float
    epoch_seconds: float
    finish_seconds: float

    def seconds(self, runs: int, epochs: int, workers: int = 1) -> float:
        """Return how long some runs with so many epochs in all take, on workers that have a core each.

        Args:
            runs: number of runs.
            epochs: of all of them together.
            workers: processes; those beyond the number of cores do not help.
        """
        alone = runs * (self.prepare_seconds + self.finish_seconds) + epochs * self.epoch_seconds
        return alone if workers == 1 else STARTING_SECONDS + alone / min(workers, os.cpu_count() or 1)


class _Stopwatch(Console):
    """Notes when training begins, how long each epoch takes, and when the last is done."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.began = self.ended = time.perf_counter()
        self.epochs: list[float] = []

    def started(self, experiment: Experiment, directory: Path, device: str, epochs_done: int) -> None:
        super().started(experiment, directory, device, epochs_done)
        self.began = self.ended = time.perf_counter()

    def epoch_done(self, row: Row, epochs: int, seconds: float) -> None:
        super().epoch_done(row, epochs, seconds)
        now = time.perf_counter()
        self.epochs.append(now - self.ended)
        self.ended = now


def measure(base: Experiment, project: Path, device: str) -> Pace:
    """Train the default configuration for two epochs, or recall what that took when the search was begun.

    Raises:
        KactError: if it cannot be trained, as where the data is missing, or what was noted is damaged.
    """
    file = project / "probe" / "pace.json"
    if file.is_file():
        try:
            stored = read_json(file)
            if wrong := fault(stored, dict.fromkeys(Pace.__dataclass_fields__, float)):
                raise ValueError(wrong)
            if not all(math.isfinite(seconds) and seconds >= 0 for seconds in stored.values()):
                raise ValueError("a time is no time")
            return Pace(**stored)
        except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise KactError(
                f"'{file}' is damaged: {error}.", f"Delete the folder '{file.parent}' and give the command again."
            ) from None
    kact.load_task(
        base.task, validation_fraction=base.validation_fraction, train_examples=base.train_examples, data=base.data
    )  # what is decoded once is not counted
    shutil.rmtree(file.parent, ignore_errors=True)  # a probe that was cut off
    asked = time.perf_counter()
    with _Stopwatch() as watch:
        kact.run(base.replace(epochs=2), out=file.parent, device=device, progress=watch)
    finish = time.perf_counter() - watch.ended
    first, last = (watch.epochs[0], watch.epochs[-1]) if watch.epochs else (0.0, 0.0)  # none where it diverges at once
    pace = Pace(watch.began - asked + max(first - last, 0.0), last, finish)
    with atomic(file) as temporary:
        temporary.write_text(sealed_json(asdict(pace)), encoding="utf-8")
    return pace


class Clock:
    """Tells how much time is left, by how the work done so far kept to its estimate.

    Args:
        expected: seconds that all of it was expected to take.
    """

    def __init__(self, expected: float) -> None:
        self.expected, self.done, self._began = expected, 0.0, time.monotonic()

    def add(self, expected: float) -> None:
        """Note that work is done which was expected to take so many seconds."""
        self.done += expected

    @property
    def left(self) -> float:
        """Seconds that are left."""
        trusted = _TRUSTED_SHARE * self.expected
        rate = (time.monotonic() - self._began + trusted) / (self.done + trusted) if self.expected else 1.0
        return max(self.expected - self.done, 0.0) * rate
