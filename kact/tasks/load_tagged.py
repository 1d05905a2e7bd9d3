"""From a tagging task to its three splits.

>>> import pathlib, tempfile
>>> from kact.tasks.tagged_file import TAGGED_FILE
>>> made = pathlib.Path(tempfile.mkdtemp()) / "made.txt"
>>> _ = made.write_text("so\\tR\\ncool\\tA\\n\\n" * 10)
>>> data = load_tagged(TAGGED_FILE, str(made))
>>> len(data.train), len(data.validation), len(data.test), data.task.labels
(7, 1, 2, ('A', 'R'))
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from kact.errors import KactError
from kact.spec import choose
from kact.tasks.split import SUBSET_SEED, TRAINED_ON, VALIDATION_SEED, check_fraction, check_train_examples
from kact.tasks.tagging import Sentences, TaggedData, TaggingTask
from kact.wording import counted

_TEST_FRACTION = 0.2
_TEST_SEED = 20111024  # fixed, and apart from an experiment's seed, as those of `kact.tasks.split`


def load_tagged(
    task: TaggingTask,
    data: str | None = None,
    *,
    validation_fraction: float = 0.1,
    train_examples: int | None = None,
    train_on: str = "train",
) -> TaggedData:
    """Read a tagging task's data and cut the splits that it does not come with.

    Args:
        task: the record.
        data: the user's file or folder, where the task takes one.
        validation_fraction: of the training sentences; only where the data has no validation part of its own.
        train_examples: how many training sentences to keep; all of them if None.
        train_on: "train"; or "train+validation", which makes training sentences of the validation part's too and leaves
            it empty.

    Raises:
        KactError: if the data is missing, unusable, or too small to be cut.
    """
    check_fraction(validation_fraction)
    pooled = choose(train_on, TRAINED_ON, {}, "train_on") != "train"
    parts = task.read(None if data is None else Path(data).expanduser())
    train, validation, test = parts.train, parts.validation, parts.test
    cuts = (test is None) + (validation is None and not pooled)
    if cuts and len(train) < 2 + cuts:
        raise KactError(
            f"The data of {task.name!r} has only {counted(len(train), 'sentence')} to train on; "
            f"at least {2 + cuts} are needed to cut {'test and validation parts' if cuts > 1 else 'a part'}.",
            "Add sentences, or give a folder with train, dev and test files.",
        )
    if test is None:
        train, test = _cut(train, _TEST_FRACTION, _TEST_SEED)
    if pooled:
        rest = validation or Sentences((), ())  # what has no validation part of its own is train already
        train, validation = Sentences(train.tokens + rest.tokens, train.tags + rest.tags), Sentences((), ())
    elif validation is None:
        train, validation = _cut(train, validation_fraction, VALIDATION_SEED)
    labels = task.labels or tuple(sorted({tag for tags in train.tags for tag in tags}))
    if len(labels) < 2:
        raise KactError(f"The training sentences of {task.name!r} have one tag only, {labels[0]!r}.", "Tag with two.")
    for name, part in (("validation", validation), ("test", test)):
        if len(part) and not any(tag in labels for tags in part.tags for tag in tags):
            raise KactError(
                f"No tag of {task.name!r}'s {name} sentences is one that its training sentences have.",
                "Add training sentences with these tags.",
            )
    if train_examples is not None:
        check_train_examples(train_examples, 1, len(train))
        train = train.only(np.sort(_order(len(train), SUBSET_SEED)[:train_examples]))
    return TaggedData(
        task=dataclasses.replace(task, labels=labels),
        train=train,
        validation=validation,
        test=test,
        version=task.version,
        fingerprint=parts.digest,
    )


def _cut(sentences: Sentences, fraction: float, seed: int) -> tuple[Sentences, Sentences]:
    """Return what is kept and what is cut, both in their order."""
    count = len(sentences)
    size = min(max(round(fraction * count), 1), count - 1)
    order = _order(count, seed)
    return sentences.only(np.sort(order[size:])), sentences.only(np.sort(order[:size]))


def _order(count: int, seed: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).permutation(count)
