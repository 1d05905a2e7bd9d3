"""The run directory: what a run leaves behind, written so that a crash at any moment leaves it whole.

`experiment.toml`, `history.csv` and `checkpoint.npz` while it trains; `model.keras` and, last of all, `metrics.json`
when it is done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs.changes import OwnCode, changed_data, own_data_of
from kact.runs.checkpoint import Checkpoint
from kact.runs.history import Row, read_rows
from kact.runs.metrics import check_metrics
from kact.storage.files import atomic, explained, held, sha256
from kact.storage.seals import read_json, sealed_json

_ANEW = "Delete the run's metrics.json and give its training command again: it is written anew."


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
            KactError: if there is none, it is not finished, code of one's own cannot be imported, or a file is damaged.
        """
        path = Path(path)
        if not (path / "experiment.toml").is_file():
            raise no_run(path)
        experiment = Experiment.load(path / "experiment.toml")
        if not (path / "metrics.json").is_file():
            raise KactError(
                f"The run in '{path}' is not finished.",
                f"Finish it: kact train --config {path}/experiment.toml --out {path.parent}",
                kind="unfinished",
            )
        metrics = _read_metrics(path / "metrics.json")
        check_metrics(metrics, path / "metrics.json")
        run = cls(path, experiment, metrics)
        run.file("experiment.toml")
        return run

    @cached_property
    def history(self) -> list[Row]:
        """One row an epoch: epoch, learning rate, loss and accuracy on train and, unless trained on, on validation."""
        file = self.file("history.csv")
        try:
            return read_rows(file)
        except ValueError as error:
            if isinstance(error.__cause__, OSError):
                raise _unreadable(file, error.__cause__) from error.__cause__
            raise KactError(f"'{file}' is damaged: {error}.", _ANEW, kind="damaged") from None

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
            raise KactError(
                f"The run in '{self.path}' diverged in its first epoch and has no model.",
                "Train it with a smaller --learning-rate.",
            )
        return self.file("model.keras")

    @property
    def vocabulary_path(self) -> Path:
        """What the run's tagger knows of words, checked likewise.

        Raises:
            KactError: if the run is none of a tagger, or the file is missing or damaged.
        """
        if self._noted("vocabulary.json") is None:
            raise KactError(
                f"The run in '{self.path}' has no vocabulary.json: it does not tag words.",
                "Name a run of a tagger: `kact list models` says which those are.",
            )
        return self.file("vocabulary.json")

    def file(self, name: str) -> Path:
        """Return the path of one of its files, checked against the hash that was noted when it was finished, if any.

        Raises:
            KactError: if it is missing or damaged.
        """
        return checked(self.path, self.metrics, name)

    def check_files(self) -> None:
        """Read all that the run noted the hash of.

        Raises:
            KactError: if a file is missing or damaged.
        """
        for name in self.metrics["provenance"]["files"]:
            self.file(name)
        _ = self.history

    def check_activation(self) -> None:
        """Compare the user's own activation, if the run has one, with what it computed when the run was trained.

        Raises:
            KactError: if it computes something else now, or can be used no longer.
        """
        self._own_code.check_activation(self.experiment, self.path)

    def check_own_code(self) -> None:
        """Compare the user's own activation and model, if the run has them, with what they were when it was trained.

        Raises:
            KactError: if one of them is another now, or can be used no longer.
        """
        self._own_code.check(self.experiment, self.path)

    def check_data(self) -> None:
        """Compare the user's own data, if the run is of such, with what the run was trained on.

        Raises:
            KactError: if it changed, or can be used no longer.
        """
        found = own_data_of(self.experiment)
        if found is not None and (found.fingerprint, list(found.task.labels)) != (
            self.metrics["provenance"]["data"],
            # A class that was only renamed leaves the arrays as they were; earlier versions noted no labels.
            self.metrics.get("task", {}).get("labels", list(found.task.labels)),
        ):
            raise changed_data(self.experiment, self.path)

    @property
    def _own_code(self) -> OwnCode:
        return OwnCode.noted(self.metrics["provenance"])

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
            _ANEW,
            kind="damaged",
        )
    return file


def _noted(metrics: Mapping[str, Any], name: str) -> str | None:
    """Return the SHA-256 that a run noted of one of its files."""
    return metrics.get("provenance", {}).get("files", {}).get(name)


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
        busy = KactError(
            f"Another process is training in '{self.path}'.", "Wait for it to end, or choose another --seed or --out."
        )
        with held(self.path, busy):
            file = self.path / "experiment.toml"
            if not file.exists():
                with atomic(file) as temporary:
                    temporary.write_text(experiment.to_toml(), encoding="utf-8")
            elif Experiment.load(file) != experiment:
                raise KactError(
                    f"'{self.path}' holds the run of another experiment.", "Choose another --out, or move it away."
                )
            yield

    @property
    def finished(self) -> bool:
        """Whether the run is done, and says what it was."""
        return (self.path / "metrics.json").is_file() and (self.path / "experiment.toml").is_file()

    def drop_damaged(self) -> None:
        """Delete what is damaged, so that whoever makes many runs unattended makes it again.

        Raises:
            KactError: if a file cannot be read, or code of one's own cannot be imported: it may well be sound.
            OSError: likewise.
        """
        if self.finished:
            self._drop_if_damaged("metrics.json", lambda _: Run.load(self.path).check_files())
        self._drop_if_damaged("experiment.toml", Experiment.load)
        self._drop_if_damaged("checkpoint.npz", Checkpoint.load)

    def _drop_if_damaged(self, name: str, read: Callable[[Path], object]) -> None:
        file = self.path / name
        if not file.is_file():
            return
        try:
            read(file)
        except KactError as error:
            if error.kind != "damaged":
                raise
            with explained(file):
                file.unlink()

    @property
    def whole(self) -> bool:
        """Whether it holds a finished run, all of whose files are as the run left them.

        Raises:
            KactError, OSError: if a file cannot be read, or its code imported: nobody knows then.
        """
        if not self.finished:
            return False
        try:
            Run.load(self.path).check_files()
        except KactError as error:
            if error.kind != "damaged":
                raise
            return False
        return True

    @property
    def begun_with(self) -> tuple[str, OwnCode]:
        """The SHA-256 of the data that the run was begun with, and the code; neither where nothing sound says it."""
        try:
            if self.finished:
                provenance = Run.load(self.path).metrics["provenance"]
                return str(provenance["data"]), OwnCode.noted(provenance)
            if self.checkpoint_path.is_file():
                checkpoint = Checkpoint.load(self.checkpoint_path)
                return checkpoint.data, OwnCode(checkpoint.activation, checkpoint.layout)
        except KactError:
            pass
        return "", OwnCode()

    @property
    def checkpoint_path(self) -> Path:
        """Where the checkpoint is kept."""
        return self.path / "checkpoint.npz"

    def finish(self, metrics: dict[str, Any]) -> None:
        """Note the hashes of all files and write `metrics.json`, which makes the run finished."""
        names = (
            "experiment.toml", "history.csv", "test_curve.csv", "diagnostics.csv", "model.keras", "vocabulary.json"
        )  # fmt: skip
        files = {name: sha256(self.path / name) for name in names if (self.path / name).is_file()}
        metrics["provenance"]["files"] = files
        with atomic(self.path / "metrics.json") as temporary:
            temporary.write_text(sealed_json(metrics, indent=1, allow_nan=False), encoding="utf-8")


def no_run(path: Path) -> KactError:
    """Return the error of a directory without a run, with where one is: in a study's, or below `runs`.

    Example:
        >>> print(no_run(Path("no/such/run")).problem)
        There is no run in 'no/such/run': it holds no experiment.toml.
    """
    places = [path] if path.is_absolute() else [path, "runs" / path]  # where commands put them by default
    for place in places:
        if (place / "study.toml").is_file():
            return KactError(
                f"'{place}' is a study, and its runs are in '{place / 'runs'}': name one of them.",
                f"The study itself: kact study status {place}, kact report {place}",
            )
    found = next((place for place in places if (place / "experiment.toml").is_file()), None)
    step = "Give the directory of a run, such as runs/digits-mlp-relu-1a2b3c4d-seed0."
    return KactError(
        f"There is no run in '{path}': it holds no experiment.toml.", step if found is None else f"It is in '{found}'."
    )


def _read_metrics(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise KactError(
            f"'{path}' is damaged: {error}.",
            "Delete it and give the run's training command again: it is written anew.",
            kind="damaged",
        ) from None


def _unreadable(path: Path, error: OSError) -> KactError:
    return KactError(f"Cannot read '{path}': {error.strerror or error}.", "Mend that and give the same command again.")
