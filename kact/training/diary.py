"""The diary of a run: what `kact.diagnostics` saw of each layer before training and after each epoch, in a CSV file.

>>> import tempfile
>>> diary = Diary(Path(tempfile.mkdtemp()) / "diagnostics.csv", epochs_done=0)
>>> diary.note(0, lambda: [{"layer": "conv1", "gradient_norm": 0.5}])
>>> read_diary(diary.path)[0]["gradient_norm"]
0.5
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kact import diagnostics
from kact.diagnostics import COLUMNS, Record
from kact.diagnostics.feature_maps import as_stored
from kact.errors import KactError
from kact.losses import make_loss
from kact.storage.files import atomic
from kact.text.encoded import EncodedData

if TYPE_CHECKING:
    import keras

    from kact.experiment import Experiment
    from kact.runs.history import Row
    from kact.tasks import TaskData
    from kact.training.progress import Progress


@dataclass
class Diary:
    """The observations of one run, epoch by epoch, in a CSV file; epoch 0 is before training.

    Args:
        path: of the file, which is whole after each epoch.
        epochs_done: of the run; what the file holds of later epochs, or of a run that begins anew, is forgotten.
    """

    path: Path
    epochs_done: int

    def __post_init__(self) -> None:
        known = []
        if self.epochs_done and self.path.exists():
            self._check()
            known = read_diary(self.path)
        self.records = [record for record in known if record["epoch"] <= self.epochs_done]

    def note(self, epoch: int, look: Callable[[], list[Record]]) -> None:
        """Add the records that `look()` returns, unless this epoch's are there already."""
        if any(record["epoch"] == epoch for record in self.records):
            return
        self.records += [{"epoch": epoch, **record} for record in look()]
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.records)
        content = text.getvalue().encode()
        self._note_digest(content)
        with atomic(self.path) as temporary:
            temporary.write_bytes(content)

    @property
    def _digests(self) -> Path:
        return self.path.with_name(f".{self.path.stem}.sha256")

    def _note_digest(self, content: bytes) -> None:
        """Note the hash of what is written next beside that of what is there: a kill may leave either."""
        there = [hashlib.sha256(self.path.read_bytes()).hexdigest()] if self.path.exists() else []
        with atomic(self._digests) as temporary:
            temporary.write_text("\n".join([*there, hashlib.sha256(content).hexdigest()]))

    def _check(self) -> None:
        """Raise unless the file is as it was written, as far as that was noted."""
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        if self._digests.exists() and digest not in self._digests.read_text(encoding="utf-8", errors="replace"):
            raise KactError(
                f"'{self.path}' is damaged: its checksum does not fit its content.",
                f"Delete it and the file '{self.path.with_name('checkpoint.npz')}', and give the command again: "
                "the run is trained from its beginning.",
            )


class Watcher:
    """Stands before a run's progress and keeps its diary, `diagnostics.csv`: before training and after each epoch.

    Args:
        model: that trains.
        data: the task's; a sample of its training examples is looked at, as they are stored, or of its sentences, with
            no word hidden. Of these only tokens count.
        loss: a name of `kact.losses.LOSSES`.
        progress: told of everything, if there is one.
    """

    def __init__(
        self, model: keras.Model, data: TaskData | EncodedData, loss: str, progress: Progress | None = None
    ) -> None:
        from kact.text.token_batches import weighted

        classes = len(data.task.labels)
        inputs: Any
        weights = None
        if isinstance(data, EncodedData):
            inputs, labels = data.train.take(
                diagnostics.sample(model, len(data.train), steps=int(data.train.lengths.max()))
            )
            labels, weights = weighted(labels, classes)  # (sentences, time): 0 where there is no token
        else:
            inputs, labels = data.train.take(diagnostics.sample(model, len(data.train)))
        stored = as_stored(inputs)
        self.look = diagnostics.observer(model, stored, labels, make_loss(loss, classes), weights)
        self.progress = progress

    def started(self, experiment: Experiment, directory: Path, device: str, epochs_done: int) -> None:
        if self.progress is not None:
            self.progress.started(experiment, directory, device, epochs_done)
        self.diary = Diary(directory / "diagnostics.csv", epochs_done)
        self.diary.note(epochs_done, self.look)

    def batch_done(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress.batch_done(done, total)

    def epoch_done(self, row: Row, epochs: int, seconds: float) -> None:
        self.diary.note(int(row["epoch"]), self.look)
        if self.progress is not None:
            self.progress.epoch_done(row, epochs, seconds)


def read_diary(path: Path) -> list[Record]:
    """Return the records of a `diagnostics.csv`; an empty cell is None.

    Raises:
        KactError: if there is none, or it is damaged.
    """
    if not path.is_file():
        raise KactError(
            f"The run in '{path.parent}' was not diagnosed.", "Train it to another --out with `kact train --diagnose`."
        )
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [{key: _number(key, value) for key, value in row.items()} for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise KactError(
            f"'{path}' is damaged: {error}.", "Train the run anew, to another --out, with `kact train --diagnose`."
        ) from None


def _number(key: str, text: str) -> Any:
    if key == "layer":
        return text
    if text == "":
        return None
    return int(text) if key in ("epoch", "units") else float(text)
