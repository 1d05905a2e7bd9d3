"""What a task is: the record of a data set, the arrays that it reads, and the three splits that come out.

>>> split = Split(np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 1, 0, 1]), rows=np.array([1, 3]))
>>> len(split), split.take([0])[0].shape
(2, (1, 8, 8, 1))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from kact.errors import KactError
from kact.spec import Literal

_BYTES_TOGETHER = 1 << 24  # of images that are looked at together


class Identity(NamedTuple):
    """Which copy of a data set this is; found without decoding anything, and the key of its cache.

    Attributes:
        version: the data set's own version.
        fingerprint: hex digest that differs between two copies of the same version.
    """

    version: str
    fingerprint: str


@dataclass(frozen=True, eq=False)
class RawArrays:
    """A data set as it is stored: every example, neither cut nor normalised.

    Attributes:
        train_inputs: `(n, height, width, channels)`, uint8.
        train_labels: `(n,)`, int64, indices into the task's labels.
        test_inputs: `(m, height, width, channels)`, uint8.
        test_labels: `(m,)`, int64.
        validation_rows: `(v,)`, int64, the rows of train that the data set itself keeps for validation; None where it
            leaves the cut to kact.
        remarks: what the reader should be told each time that they are used, such as files that were left out.
    """

    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    validation_rows: np.ndarray | None = None
    remarks: tuple[str, ...] = field(default=(), kw_only=True)

    def named(self) -> dict[str, np.ndarray]:
        """Return the arrays by their names."""
        arrays = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "remarks"}
        return {name: array for name, array in arrays.items() if array is not None}


@dataclass(frozen=True)
class Task:
    """The record of one data set.

    Attributes:
        name: what the user types.
        summary: one line for lists.
        source: URL of the data set's home page.
        licence: its licence, or how its authors ask to be cited.
        labels: the classes' names; a label is an index into them.
        input_shape: (height, width, channels) of one input.
        mean: per channel, in units of the stored uint8 values; a network is given (x - mean) / std. None where it
            depends on the data: it is then measured on the training examples.
        std: per channel, in the same units.
        default_model: the model to train where the user names none.
        identify: finds the data, fetching it where it is not there, and returns its identity without decoding it.
        read: decodes all of it; takes seconds, which the cache saves the next time.
        parameters: what may be said in parentheses after the name, with each one's default.
        check_options: raises KactError for options out of range.
        resolve: (options, `data`) to the record of the data that they mean, for a task that has either.
        needs_data: whether it is of the user's own data, which `data` names.
        fit: how an image of another size is brought to `input_shape`; one of `kact.images.FITS`.
    """

    name: str
    summary: str
    source: str
    licence: str
    labels: tuple[str, ...]
    input_shape: tuple[int, int, int]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    default_model: str
    identify: Callable[[], Identity]
    read: Callable[[], RawArrays]
    parameters: Mapping[str, Literal] = field(default_factory=dict)
    check_options: Callable[[Mapping[str, Any]], None] | None = None
    resolve: Callable[[Mapping[str, Any], str | None], Task] | None = None
    needs_data: bool = False
    fit: str = "stretch"

    input: ClassVar[str] = "image"

    def check(self, raw: RawArrays) -> None:
        """Check that what was read is what this record promises.

        Raises:
            KactError: for inputs of another shape or dtype, labels out of range, or a class without examples in train.
        """
        for part in ("train", "test"):
            inputs, labels = getattr(raw, f"{part}_inputs"), getattr(raw, f"{part}_labels")
            if inputs.shape[1:] != self.input_shape or inputs.dtype != np.uint8:
                expected = f"uint8 of shape {self.input_shape}"
                raise self._unlike(part, f"has inputs of {inputs.dtype} and shape {inputs.shape[1:]}, not {expected}")
            if labels.dtype != np.int64 or labels.shape != inputs.shape[:1] or not len(labels):
                raise self._unlike(part, f"has {len(inputs)} inputs and labels of {labels.dtype} {labels.shape}")
            if labels.min() < 0 or labels.max() >= len(self.labels):
                raise self._unlike(part, f"has labels outside 0..{len(self.labels) - 1}")
        missing = set(range(len(self.labels))) - set(np.unique(raw.train_labels).tolist())
        if missing:
            raise self._unlike("train", f"has no example of {self.labels[min(missing)]!r}")

    def _unlike(self, part: str, difference: str) -> KactError:
        return KactError(
            f"The {part} part of the data set {self.name!r} {difference}.",
            f"This copy is not the data set at {self.source}; point kact to another copy.",
        )


@dataclass(frozen=True, eq=False)
class Split:
    """The examples of one split, as rows of arrays that other splits may share.

    Attributes:
        inputs: `(base, height, width, channels)`, uint8, read-only and possibly memory-mapped.
        labels: `(base,)`, int64.
        rows: `(n,)`, int64, this split's examples, ascending.
    """

    inputs: np.ndarray
    labels: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Gather a batch.

        Args:
            indices: `(batch,)`, positions within this split, not within the base arrays.

        Returns:
            inputs `(batch, height, width, channels)` uint8 and labels `(batch,)` int64, both copies.

        Example:
            >>> Split(np.arange(3)[:, None], np.arange(3), rows=np.array([0, 2])).take([1, 1])[1]
            array([2, 2])
        """
        rows = self.rows[np.asarray(indices, dtype=np.int64)]
        return np.asarray(self.inputs[rows]), np.asarray(self.labels[rows])

    def value_counts(self) -> np.ndarray:
        """Return how often each channel has each of its 256 values, `(channels, 256)` int64."""
        channels = self.inputs.shape[-1]
        counts = np.zeros((channels, 256), np.int64)
        together = max(1, _BYTES_TOGETHER // math.prod(self.inputs.shape[1:]))
        for begin in range(0, len(self.rows), together):
            images = self.inputs[self.rows[begin : begin + together]]
            for channel in range(channels):
                counts[channel] += np.bincount(images[..., channel].ravel(), minlength=256)
        return counts

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all of the split in order; a view of the base arrays where the split is all of them.

        Returns:
            inputs `(n, height, width, channels)` uint8 and labels `(n,)` int64.
        """
        if len(self.rows) == len(self.labels):  # rows ascend and do not repeat, so this is every row
            return np.asarray(self.inputs), np.asarray(self.labels)
        return np.asarray(self.inputs[self.rows]), np.asarray(self.labels[self.rows])


@dataclass(frozen=True, eq=False)
class TaskData:
    """A task with its data, cut into the splits that an experiment uses.

    Attributes:
        task: the record.
        train, validation: disjoint rows of the same base arrays; the latter empty where it is trained on as well.
        test: scored once, at the end.
        version: the data set's own version.
        fingerprint: SHA-256 hex digest of the stored arrays, the same whether they came from a cache or not.
    """

    task: Task
    train: Split
    validation: Split
    test: Split
    version: str
    fingerprint: str
