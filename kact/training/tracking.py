"""Tracking: a run's metrics, epoch by epoch, in TensorBoard, Trackio or Weights & Biases. Nothing leaves the machine.

`kact train --track tensorboard` logs what `history.csv` holds. Trackio writes to its local database and W&B to a local
folder, unless their own variables (`TRACKIO_SPACE_ID`, `WANDB_MODE=online`) ask for more. A tracker that fails is
switched off, and the run goes on: its own files are the record, and tracking is a view of them.

>>> TRACKERS
('tensorboard', 'trackio', 'wandb')
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import types
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kact.errors import KactError

if TYPE_CHECKING:
    from kact.experiment import Experiment
    from kact.runs import Run
    from kact.runs.history import Row
    from kact.training.progress import Progress

PROJECT = "kact"
TRACKERS = ("tensorboard", "trackio", "wandb")


class _Log(Protocol):
    """An open tracker: what it is told, and where it can be seen."""

    where: str

    def add(self, metrics: Mapping[str, float], step: int) -> None: ...

    def close(self) -> None: ...


class Tracked:
    """Stands before a run's progress and logs the same metrics to a tracker; one object a run.

    Args:
        tracker: one of `TRACKERS`.
        progress: told of everything, if there is one.

    Attributes:
        where: how to see what was logged; "" before training began, or where the tracker failed.

    Raises:
        KactError: for an unknown tracker, or one that is not installed.

    Example:
        >>> Tracked("tensorbord")
        Traceback (most recent call last):
        kact.errors.KactError: The 'track' parameter must be one of: tensorboard, trackio, wandb. Got 'tensorbord' \
instead. Did you mean 'tensorboard'?
    """

    def __init__(self, tracker: str, progress: Progress | None = None) -> None:
        check_tracker(tracker)
        self.tracker = tracker
        self.progress = progress
        self.where = ""
        self._log: _Log | None = None
        self._epochs = 0

    def started(self, experiment: Experiment, directory: Path, device: str, epochs_done: int) -> None:
        if self.progress is not None:
            self.progress.started(experiment, directory, device, epochs_done)
        self._guarded(lambda: self._open(experiment, directory, epochs_done))

    def batch_done(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress.batch_done(done, total)

    def epoch_done(self, row: Row, epochs: int, seconds: float) -> None:
        if self.progress is not None:
            self.progress.epoch_done(row, epochs, seconds)
        self._epochs = int(row["epoch"])
        self._add({_slashed(key): value for key, value in row.items() if key != "epoch"} | {"epoch_seconds": seconds})

    def finished(self, run: Run) -> None:
        """Log the test scores, which a run has once, at its end."""
        scores = run.metrics["test"]
        if scores is not None:
            self._add({f"test/{name}": scores[name] for name in ("accuracy", "loss", "f1")})

    def close(self) -> None:
        """Write what is still in memory; nothing can be logged afterwards."""
        log, self._log = self._log, None
        if log is not None:
            self._guarded(log.close)

    def _open(self, experiment: Experiment, directory: Path, epochs_done: int) -> None:
        self._log = _OPENERS[self.tracker](experiment, directory, epochs_done)
        self.where = self._log.where

    def _add(self, metrics: Mapping[str, float]) -> None:
        log = self._log
        if log is not None:
            self._guarded(lambda: log.add(metrics, self._epochs))

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do what a tracker is to do; if it fails in any way, say so once and go on without it."""
        try:
            work()
        except Exception as error:  # whatever somebody else's code raises: a run is worth more than its view
            self._log, self.where = None, ""
            told = str(error).strip().splitlines() or [type(error).__name__]
            print(f"kact: {self.tracker} failed and is switched off; the run goes on. {told[0]}", file=sys.stderr)


def check_tracker(tracker: str) -> None:
    """Check that a tracker is known and installed, without importing it.

    Raises:
        KactError: if it is not.
    """
    if tracker not in TRACKERS:
        raise KactError.parameter("track", tracker, "one of", choices=TRACKERS)
    if find_spec(tracker) is None:
        raise KactError(f"The tracker {tracker!r} is not installed.", "Install it: pip install 'kact[track]'")


class _TensorBoard:
    def __init__(self, experiment: Experiment, directory: Path, epochs_done: int) -> None:
        # TensorBoard's own switch to do without TensorFlow, which it would otherwise load for seconds to write a file.
        if "tensorflow" not in sys.modules:
            sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))
        from torch.utils.tensorboard import SummaryWriter

        # Of a run that goes on, what was logged of epochs that were not finished is hidden.
        self._writer = SummaryWriter(str(directory / "tensorboard"), purge_step=epochs_done + 1)
        self._writer.add_text("experiment", "```\n" + experiment.to_toml() + "```")
        self.where = f"tensorboard --logdir {directory.parent}"

    def add(self, metrics: Mapping[str, float], step: int) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Trackio:
    def __init__(self, experiment: Experiment, directory: Path, epochs_done: int) -> None:
        with _silent():
            import trackio

            self._run = trackio.init(
                PROJECT,
                name=experiment.label,
                config=experiment.to_dict(),
                resume="allow" if epochs_done else "never",
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )
        self.where = f"trackio show --project {PROJECT}"

    def add(self, metrics: Mapping[str, float], step: int) -> None:
        with _silent():
            self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        import trackio

        with _silent():
            trackio.finish()  # not the run's own, after which it would be finished once more, aloud, at exit


class _Wandb:
    def __init__(self, experiment: Experiment, directory: Path, epochs_done: int) -> None:
        mode = os.environ.get("WANDB_MODE", "offline")
        if mode != "online":
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when it is imported
        import wandb

        self._run = wandb.init(
            project=PROJECT,
            id=experiment.label,
            name=experiment.label,
            config=experiment.to_dict(),
            resume="allow",
            mode=mode,  # type: ignore[arg-type]  # whatever the user wrote; wandb says what it may be
            dir=str(directory),
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True
            ),
        )
        offline = f"wandb sync {directory / 'wandb'}/offline-run-*"
        self.where = offline if mode == "offline" else str(self._run.url or "")

    def add(self, metrics: Mapping[str, float], step: int) -> None:
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        self._run.finish()


_OPENERS: dict[str, Callable[[Experiment, Path, int], _Log]] = {
    "tensorboard": _TensorBoard,
    "trackio": _Trackio,
    "wandb": _Wandb,
}


def _slashed(name: str) -> str:
    """Return a metric's name so that a tracker groups its splits: `train_loss` is `train/loss`."""
    for split in ("train", "validation"):
        if name.startswith(f"{split}_"):
            return f"{split}/{name.removeprefix(f'{split}_')}"
    return name


@contextlib.contextmanager
def _silent() -> Any:
    """Keep what a tracker prints off a screen that shows how a run gets on."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
