"""The checkpoint of a run: all that it needs to go on after its last finished epoch, in one file with its own checksum.

>>> import tempfile
>>> file = Path(tempfile.mkdtemp()) / "checkpoint.npz"
>>> Checkpoint("torch", weights=[np.ones(3)]).save(file)
>>> Checkpoint.load(file).weights
[array([1., 1., 1.])]
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kact.errors import KactError
from kact.runs.history import Row
from kact.storage.files import DAMAGED_ARRAYS, atomic
from kact.storage.structure import fault

_DIGEST_BYTES = 32
_ROWS = [{str: float}]
_FACTS = {  # of a checkpoint, as `kact.storage.structure` takes it
    "backend": str, "engine": str, "step": {str: (str, float, bool, None)}, "history": _ROWS, "test_curve": _ROWS,
    "epoch_seconds": [float], "best_epoch": int,
    "data?": str, "activation?": [(float, None)], "layout?": {str: (str, [int])},  # older ones lack these
}  # fmt: skip


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
        data: SHA-256 hex digest of the task's data, as in `metrics.json`; "" in a checkpoint of an earlier kact.
        activation, layout: of code of one's own; see `kact.runs.changes.OwnCode`.
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
    data: str = ""
    activation: list[float | None] = field(default_factory=list)
    layout: dict[str, Any] = field(default_factory=dict)
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
            raise KactError(
                f"Cannot read the checkpoint '{path}': {error.strerror}.",
                "Mend that, or delete it to train this run from its beginning.",
            ) from error
        content, digest = whole[:-_DIGEST_BYTES], whole[-_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            raise _damaged_checkpoint(path)
        try:  # the checksum is right, but anybody can make one
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            facts = json.loads(arrays.pop("facts").tobytes())
        except MemoryError as error:  # of a small machine, or of a length that was made up: nobody can tell
            raise KactError(
                f"The checkpoint '{path}' needs more memory than there is.", without_checkpoint(path)
            ) from error
        except (*DAMAGED_ARRAYS, RecursionError) as error:
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


def _damaged_checkpoint(path: Path) -> KactError:
    return KactError(f"The checkpoint '{path}' is damaged.", without_checkpoint(path), kind="damaged")


def without_checkpoint(path: Path) -> str:
    """Return what to do where a run's checkpoint cannot be used, in words."""
    if path.with_name("metrics.json").is_file():  # the run is finished, and as it is nothing would be written
        return "Delete it and the run's metrics.json, and give its training command again: it is trained anew."
    return "Delete it to train this run from its beginning."
