"""The run directory: what a run leaves behind, written so that a crash at any moment leaves it whole.

`experiment.toml`, `history.csv` and `checkpoint.npz` while it trains; `model.keras` and, last of all, `metrics.json`
when it is done.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import io
import json
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from kact.errors import KactError
from kact.experiment import Experiment
from kact.files import atomic, explained, sha256
from kact.metrics import check_metrics
from kact.seals import read_json, sealed_json
from kact.structure import fault

Row = dict[str, float]

_DIGEST_BYTES = 32
_ROWS = [{str: float}]
_FACTS = {  # of a checkpoint, as `kact.structure` takes it
    "backend": str, "engine": str, "step": {str: (str, float, bool, None)}, "history": _ROWS, "test_curve": _ROWS,
    "epoch_seconds": [float], "best_epoch": int,
}  # fmt: skip
# What NumPy raises for an archive or an array's header that is not one, by where the damage is.
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, EOFError, SyntaxError, ArithmeticError, NotImplementedError,
    zipfile.BadZipFile, zlib.error, tokenize.TokenError,
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A finished run on disk.

    Attributes:
        path: its directory.
        experiment: what was run.
        metrics: the content of `metrics.json`.

    Example:
        >>> Run.load("no/such/run")
        Traceback (most recent call last):
        kact.errors.KactError: There is no run in 'no/such/run': it holds no experiment.toml.
        Give the directory of a run, such as runs/digits-mlp-relu-1a2b3c4d-seed0.
    """

    path: Path
    experiment: Experiment
    metrics: dict[str, Any] = field(repr=False)

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Return the finished run in a directory.

        Raises:
            KactError: if there is none, it is not finished, or one of its files is damaged.
        """
        path = Path(path)
        if not (path / "experiment.toml").is_file():
            raise KactError(
                f"There is no run in '{path}': it holds no experiment.toml.",
                "Give the directory of a run, such as runs/digits-mlp-relu-1a2b3c4d-seed0.",
            )
        experiment = Experiment.load(path / "experiment.toml")
        if not (path / "metrics.json").is_file():
            raise KactError(
                f"The run in '{path}' is not finished.",
                f"Finish it: kact train --config {path}/experiment.toml --out {path.parent}",
            )
        metrics = _read_metrics(path / "metrics.json")
        check_metrics(metrics, path / "metrics.json")
        run = cls(path, experiment, metrics)
        run.file("experiment.toml")
        return run

    @cached_property
    def history(self) -> list[Row]:
        """One row an epoch: epoch, learning rate, loss and accuracy on train and, unless trained on, on validation."""
        return _read_csv(self.file("history.csv"))

    @property
    def diverged(self) -> bool:
        """Whether the loss stopped being a number."""
        return self.metrics["status"] == "diverged"

    @property
    def model_path(self) -> Path:
        """The trained model's file, checked against the hash that was noted when it was written.

        Raises:
            KactError: if the run diverged before it had a model, or the file is missing or damaged.
        """
        if self._noted("model.keras") is None:
            raise KactError(f"The run in '{self.path}' diverged in its first epoch and has no model.")
        return self.file("model.keras")

    @property
    def vocabulary_path(self) -> Path:
        """What the run's tagger knows of words, checked likewise.

        Raises:
            KactError: if the run is none of a tagger, or the file is missing or damaged.
        """
        if self._noted("vocabulary.json") is None:
            raise KactError(f"The run in '{self.path}' has no vocabulary.json: it does not tag words.")
        return self.file("vocabulary.json")

    def file(self, name: str) -> Path:
        """Return the path of one of its files, checked against the hash that was noted when it was finished, if any.

        Raises:
            KactError: if it is missing or damaged.
        """
        return checked(self.path, self.metrics, name)

    def _noted(self, name: str) -> str | None:
        return _noted(self.metrics, name)


def checked(folder: Path, metrics: Mapping[str, Any], name: str) -> Path:
    """Return the path of a file of the run in `folder`; see `Run.file`.

    Args:
        folder: of the run.
        metrics: the content of its `metrics.json`.
        name: of the file.

    Raises:
        KactError: if it is not what these metrics say.
    """
    file, noted = folder / name, _noted(metrics, name)
    if noted is not None and (not file.is_file() or sha256(file) != noted):
        raise KactError(
            f"'{file}' is missing or damaged: it is not the file that the run wrote.",
            "Delete the run's metrics.json and give its training command again: it is written anew.",
        )
    return file


def _noted(metrics: Mapping[str, Any], name: str) -> str | None:
    """Return the SHA-256 that a run noted of one of its files."""
    return metrics.get("provenance", {}).get("files", {}).get(name)


@dataclass
class Checkpoint:
    """All that a run needs to go on after its last finished epoch.

    Attributes:
        backend: the Keras backend that trained it.
        engine: the one that was asked for, of `kact.engine.ENGINES`.
        history, test_curve: a row for each finished epoch.
        epoch_seconds: how long each took.
        step: kind of the step that trained the last epoch, and the reason where it is not what was asked for.
        best_epoch: counted from 1; 0 while no epoch had a finite score.
        weights, optimizer: values of all variables of the model and of the optimizer.
        best_weights: the model's at the best epoch.
    """

    backend: str
    engine: str = "auto"
    step: dict[str, str | None] = field(default_factory=dict)
    history: list[Row] = field(default_factory=list)
    test_curve: list[Row] = field(default_factory=list)
    epoch_seconds: list[float] = field(default_factory=list)
    best_epoch: int = 0
    weights: list[np.ndarray] = field(default_factory=list)
    optimizer: list[np.ndarray] = field(default_factory=list)
    best_weights: list[np.ndarray] = field(default_factory=list)

    _ARRAYS = ("weights", "optimizer", "best_weights")

    def save(self, path: Path) -> None:
        """Write the checkpoint as one file: NumPy's archive of arrays, and behind it the SHA-256 of all before."""
        facts = {key: value for key, value in vars(self).items() if key not in self._ARRAYS}
        arrays = {f"{kind}.{i}": array for kind in self._ARRAYS for i, array in enumerate(getattr(self, kind))}
        archive = io.BytesIO()
        np.savez(archive, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays)
        content = archive.getvalue()
        with atomic(path) as temporary, open(temporary, "wb") as file:
            file.write(content)
            file.write(hashlib.sha256(content).digest())

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a checkpoint.

        Raises:
            KactError: if the file cannot be read, or any byte of it is not as it was written.
        """
        try:
            whole = path.read_bytes()
        except OSError as error:
            raise KactError(f"Cannot read the checkpoint '{path}': {error.strerror}.") from None
        content, digest = whole[:-_DIGEST_BYTES], whole[-_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            raise _damaged_checkpoint(path)
        try:  # the checksum is right, but anybody can make one
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            facts = json.loads(arrays.pop("facts").tobytes())
        except (*_UNREADABLE, RecursionError, MemoryError) as error:
            raise _damaged_checkpoint(path) from error
        if fault(facts, _FACTS) or set(facts) - {one.name for one in dataclasses.fields(cls)}:
            raise _damaged_checkpoint(path)
        made = cls(**facts)
        for name, array in arrays.items():
            kind = name.split(".")[0]
            if kind not in cls._ARRAYS:
                raise _damaged_checkpoint(path)
            getattr(made, kind).append(array)
        return made


@dataclass(frozen=True)
class RunDirectory:
    """The directory of a run while it trains."""

    path: Path

    @contextlib.contextmanager
    def opened(self, experiment: Experiment) -> Iterator[None]:
        """Make the directory this experiment's and this process's for the length of a block.

        Raises:
            KactError: if it cannot be written, holds another experiment, or another process works in it.
        """
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                raise KactError(
                    f"Another process is training in '{self.path}'.",
                    "Wait for it to end, or choose another --seed or --out.",
                ) from None
        try:
            file = self.path / "experiment.toml"
            if not file.exists():
                with atomic(file) as temporary:
                    temporary.write_text(experiment.to_toml(), encoding="utf-8")
            elif Experiment.load(file) != experiment:
                raise KactError(
                    f"'{self.path}' holds the run of another experiment.", "Choose another --out, or move it away."
                )
            yield
        finally:
            lock.release()

    @property
    def finished(self) -> bool:
        """Whether the run is done, and says what it was."""
        return (self.path / "metrics.json").is_file() and (self.path / "experiment.toml").is_file()

    def drop_damaged(self) -> None:
        """Delete what is damaged, so that whoever makes many runs unattended makes it again."""
        for name, read in (
            ("metrics.json", lambda _: Run.load(self.path).history),
            ("experiment.toml", Experiment.load),
            ("checkpoint.npz", Checkpoint.load),
        ):
            file = self.path / name
            if file.is_file():
                try:
                    read(file)
                except KactError:
                    with explained(file):
                        file.unlink()

    @property
    def checkpoint_path(self) -> Path:
        """Where the checkpoint is kept."""
        return self.path / "checkpoint.npz"

    def write_table(self, name: str, rows: list[Row]) -> None:
        """Write rows as CSV, numbers in full."""
        with atomic(self.path / name) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def finish(self, metrics: dict[str, Any]) -> None:
        """Note the hashes of all files and write `metrics.json`, which makes the run finished."""
        names = (
            "experiment.toml", "history.csv", "test_curve.csv", "diagnostics.csv", "model.keras", "vocabulary.json"
        )  # fmt: skip
        files = {name: sha256(self.path / name) for name in names if (self.path / name).is_file()}
        metrics["provenance"]["files"] = files
        with atomic(self.path / "metrics.json") as temporary:
            temporary.write_text(sealed_json(metrics, indent=1, allow_nan=False), encoding="utf-8")


def _damaged_checkpoint(path: Path) -> KactError:
    return KactError(f"The checkpoint '{path}' is damaged.", without_checkpoint(path))


def without_checkpoint(path: Path) -> str:
    """Return what to do where a run's checkpoint cannot be used, in words."""
    if path.with_name("metrics.json").is_file():  # the run is finished, and as it is nothing would be written
        return "Delete it and the run's metrics.json, and give its training command again: it is trained anew."
    return "Delete it to train this run from its beginning."


def _read_metrics(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise KactError(
            f"'{path}' is damaged: {error}.", "Delete it and give the run's training command again: it is written anew."
        ) from None


def _read_csv(path: Path) -> list[Row]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [{key: int(value) if key == "epoch" else float(value) for key, value in row.items()} for row in rows]
    except (OSError, ValueError, TypeError) as error:
        raise KactError(f"'{path}' is damaged: {error}.") from None
