"""Job: one run of a study as it is handed to a worker, on this machine or another, and what comes back.

>>> import tempfile
>>> from kact.experiment import Experiment
>>> carry_out(Job(Experiment(task="digits", epochs=1, train_examples=100), tempfile.mkdtemp())).status
'finished'
"""

from __future__ import annotations

import errno
import gc
import shutil
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs import RunDirectory
from kact.runs.history import Row

_FULL_BELOW_BYTES = 4 << 20  # with less space than this left, a failed write is the disk's fault
_LOCK_SECONDS = 20.0

EpochTeller = Callable[[int], None]


@dataclass(frozen=True)
class Job:
    """One run to make.

    Attributes:
        experiment: what to train.
        out: the directory of runs.
        device: where to train, as `kact.train.run` takes it.
        continue_from: the directory of a finished run of fewer epochs to go on from, if there is one.
        keep_checkpoint: whether the finished run keeps what another would need to go on from it.
        track: a tracker of `kact.training.tracking` that logs the run too, if there is one.
        prepare: only read the data and the backbone, so that caches are filled once and what is missing is told of.
    """

    experiment: Experiment
    out: str
    device: str = "auto"
    continue_from: str | None = None
    keep_checkpoint: bool = False
    track: str | None = None
    prepare: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        status: "finished", "diverged", "failed", or "prepared".
        metrics, history: of the run.
        error: what ended it, in words, where it failed.
        disk_full: whether it failed because no space was left.
    """

    status: str
    metrics: Mapping[str, Any] | None = None
    history: Sequence[Row] = ()
    error: str = ""
    disk_full: bool = False


def carry_out(job: Job, tell_epoch: EpochTeller | None = None) -> Outcome:
    """Do a job in this process. Whatever goes wrong in it becomes a failed outcome, so that other jobs go on.

    Args:
        job: what to do.
        tell_epoch: told how many epochs are done, after each.
    """
    from kact import backend

    backend.select_default()
    try:
        if job.prepare:
            _prepare(job.experiment)
            return Outcome("prepared")
        return _train(job, tell_epoch)
    except KactError as error:
        return Outcome("failed", error=str(error), disk_full=_disk_full(error, job.out))
    except Exception as error:  # anything at all, from a bug in one's own activation to no memory: the others go on
        last = traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
        return Outcome("failed", error=told, disk_full=_disk_full(error, job.out))


def _prepare(experiment: Experiment) -> None:
    """Read a run's data, and build on its backbone if it has one."""
    from kact.training.assembly import build_network, load_arrays_of

    data = load_arrays_of(experiment)
    if experiment.backbone is not None:
        build_network(experiment, data)


def _train(job: Job, tell_epoch: EpochTeller | None) -> Outcome:
    import keras

    from kact import train
    from kact.training.tracking import Tracked

    directory = Path(job.out) / job.experiment.label
    _wait_for_the_dead(directory)
    RunDirectory(directory).drop_damaged()
    shorter = Path(job.continue_from) if job.continue_from else None
    whole = shorter is not None and (shorter / "metrics.json").is_file() and (shorter / "checkpoint.npz").is_file()
    epochs = None if tell_epoch is None else _Epochs(tell_epoch)
    tracked = None if job.track is None else Tracked(job.track, epochs)
    try:
        run = train.run(
            job.experiment,
            out=job.out,
            device=job.device,
            progress=tracked or epochs,
            continue_from=shorter if whole else None,
        )
        if tracked is not None:
            tracked.finished(run)
    finally:
        if tracked is not None:
            tracked.close()
        keras.utils.clear_session()  # a worker lives for hundreds of runs
        gc.collect()
    if not job.keep_checkpoint:
        (directory / "checkpoint.npz").unlink(missing_ok=True)
    return Outcome("diverged" if run.diverged else "finished", run.metrics, run.history)


def _wait_for_the_dead(directory: Path) -> None:
    """Wait for the worker of a study that was killed a moment ago, which ends as soon as it notices."""
    if directory.is_dir():
        try:
            with FileLock(directory / ".lock", timeout=_LOCK_SECONDS):
                pass
        except Timeout:
            return  # somebody else trains it; `run` says so


def _disk_full(error: BaseException, out: str) -> bool:
    """Return whether an error came of a disk, or a quota, without space."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        cause = cause.__cause__ or cause.__context__
    return Path(out).exists() and shutil.disk_usage(out).free < _FULL_BELOW_BYTES


class _Epochs:
    """Tells of finished epochs and of nothing else."""

    def __init__(self, tell: EpochTeller) -> None:
        self.tell = tell

    def started(self, experiment: Experiment, directory: Path, device: str, epochs_done: int) -> None:
        self.tell(epochs_done)

    def batch_done(self, done: int, total: int) -> None:
        pass

    def epoch_done(self, row: Row, epochs: int, seconds: float) -> None:
        self.tell(int(row["epoch"]))
