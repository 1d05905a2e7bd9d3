"""From a task's name to its three splits.

>>> data = load_task("digits", train_examples=100)
>>> len(data.train), len(data.validation), len(data.test)
(100, 145, 359)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kact.errors import KactError
from kact.spec import choose
from kact.tasks.cache import load_arrays
from kact.tasks.load_tagged import load_tagged
from kact.tasks.split import (
    SUBSET_SEED,
    TRAINED_ON,
    VALIDATION_SEED,
    check_fraction,
    check_train_examples,
    stratified_cut,
    stratified_order,
)
from kact.tasks.tagging import TaggedData, TaggingTask
from kact.tasks.task import Split, Task, TaskData


def load_data(
    task: Task, *, validation_fraction: float = 0.1, train_examples: int | None = None, train_on: str = "train"
) -> TaskData:
    """Read a task's data and cut a validation split from its training examples.

    The cut is stratified by class, unless the data set keeps examples for validation itself. A subset of the training
    examples is drawn after the cut, so that the validation split is the same for each size, and a smaller subset is
    part of a larger one.

    Args:
        task: the record.
        validation_fraction: of the training examples, in (0, 0.5]; each class gives and keeps at least one.
        train_examples: how many training examples to keep, stratified; all of them if None.
        train_on: "train"; or "train+validation", which makes training examples of the validation split's too and leaves
            it empty.

    Returns:
        The splits, over read-only arrays that are memory-mapped where a cache is possible.

    Raises:
        KactError: for a fraction or a number out of range, or data that is missing, damaged or not this task's.
    """
    check_fraction(validation_fraction)
    pooled = choose(train_on, TRAINED_ON, {}, "train_on") != "train"
    raw, version, fingerprint = load_arrays(task)
    smallest = int(np.bincount(raw.train_labels).min())
    if smallest < 2 and raw.validation_rows is None and not pooled:
        raise KactError(
            f"A class of {task.name!r} has only {smallest} training example; a validation split needs 2 of each.",
            "Add examples to it or leave the class out.",
        )
    if pooled:
        train_rows, validation_rows = np.arange(len(raw.train_labels), dtype=np.int64), np.array([], np.int64)
    elif raw.validation_rows is None:
        train_rows, validation_rows = stratified_cut(raw.train_labels, validation_fraction, VALIDATION_SEED)
    else:
        validation_rows = np.asarray(raw.validation_rows)
        train_rows = np.setdiff1d(np.arange(len(raw.train_labels), dtype=np.int64), validation_rows)
    if train_examples is not None:
        check_train_examples(train_examples, len(task.labels), len(train_rows), why=" (one a class)")
        order = stratified_order(raw.train_labels[train_rows], SUBSET_SEED)
        train_rows = np.sort(train_rows[order[:train_examples]])
    train = Split(raw.train_inputs, raw.train_labels, train_rows)
    if task.mean is None:
        mean, std = _mean_and_std(train)
        task = replace(task, mean=mean, std=std)
    return TaskData(
        task=task,
        train=train,
        validation=Split(raw.train_inputs, raw.train_labels, validation_rows),
        test=Split(raw.test_inputs, raw.test_labels, np.arange(len(raw.test_labels), dtype=np.int64)),
        version=version,
        fingerprint=fingerprint,
    )


def load_task(
    name: str,
    *,
    data: str | None = None,
    validation_fraction: float = 0.1,
    train_examples: int | None = None,
    train_on: str = "train",
) -> TaskData | TaggedData:
    """Read the data of the task called `name`; `load_data` and `load_tagged` say more of the splits.

    Args:
        name: a task, with options in parentheses where it has any.
        data: the user's own data, for a task that takes it.
        validation_fraction, train_examples, train_on: as for `load_data`.

    Raises:
        KactError: for an unknown name, and as `load_data`.

    Example:
        >>> inputs, labels = load_task("digits").validation.take([0, 1])
        >>> inputs.shape, inputs.dtype, labels.dtype
        ((2, 8, 8, 1), dtype('uint8'), dtype('int64'))
    """
    from kact.tasks import get_task  # here, because the package imports this module

    task = get_task(name, data)
    wanted: dict[str, Any] = {
        "validation_fraction": validation_fraction,
        "train_examples": train_examples,
        "train_on": train_on,
    }
    return load_tagged(task, data, **wanted) if isinstance(task, TaggingTask) else load_data(task, **wanted)


def _mean_and_std(train: Split) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return each channel's mean and standard deviation, from counts of its 256 values: the same on every machine."""
    values, counts = np.arange(256), train.value_counts()
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    spread = np.sqrt(share @ values**2 - mean**2)
    std = np.maximum(spread, 1.0)  # a channel without any contrast stays as it is
    return tuple(mean.tolist()), tuple(std.tolist())
