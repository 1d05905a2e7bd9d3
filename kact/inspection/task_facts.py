"""What a task's data is before anything is trained on it: classes or tags by split, pixels or words, what splits share.

>>> from kact.tasks import load_task
>>> facts = look(load_task("digits"))
>>> facts.sizes, facts.shared
({'train': 1293, 'validation': 145, 'test': 359}, {'validation': 0, 'test': 0})
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kact.stats import binomial_standard_error
from kact.tasks import Split, TaggedData, TaskData
from kact.tasks.tagging import Sentences

SPLITS = ("train", "validation", "test")
_ROWS = 1_000  # images that are looked at together


@dataclass(frozen=True)
class Facts:
    """What every task has.

    Attributes:
        name: of the task.
        labels: of its classes or tags.
        counts: for each split, `(labels,)`: images of each class, or tokens with each tag.
        sizes: images or sentences of each split.
        examples: images or tokens of test.
        shared: images or sentences of validation and of test that are in train too, exactly alike.
        chance: the accuracy on test of always saying the commonest label of train.
        standard_error: of a test accuracy of 0.9, by the choice of test examples alone; of tokens the least that it
            is, as those of one sentence are not independent.
    """

    name: str
    labels: tuple[str, ...]
    counts: dict[str, np.ndarray]
    sizes: dict[str, int]
    examples: int
    shared: dict[str, int]
    chance: float
    standard_error: float


@dataclass(frozen=True)
class ImageFacts(Facts):
    """What a task of images has besides.

    Attributes:
        shape: (height, width, channels) of every image, as it is stored.
        mean, sd: of each channel's values in [0, 255], over train.
        lowest, highest: of each channel, over train.
    """

    shape: tuple[int, ...]
    mean: np.ndarray
    sd: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray


@dataclass(frozen=True)
class TagFacts(Facts):
    """What a tagging task has besides.

    Attributes:
        lengths: for each split, `(sentences,)`: tokens of each sentence.
        words: different words of each split, in lower case.
        unseen: share of each split's tokens that train never has, in whatever case.
        unknown_tags: tokens of each split whose tag train never has.
    """

    lengths: dict[str, np.ndarray]
    words: dict[str, int]
    unseen: dict[str, float]
    unknown_tags: dict[str, int]


def look(data: TaskData | TaggedData) -> ImageFacts | TagFacts:
    """Return what there is to know of a task's data before training."""
    return _look_at_images(data) if isinstance(data, TaskData) else _look_at_sentences(data)


def _look_at_images(data: TaskData) -> ImageFacts:
    classes = len(data.task.labels)
    splits = {name: getattr(data, name) for name in SPLITS}
    values = data.train.value_counts()
    share = values / values.sum(axis=1, keepdims=True)
    mean = share @ np.arange(256)
    seen = [np.flatnonzero(row) for row in values]
    counts = {name: np.bincount(split.labels[split.rows], minlength=classes) for name, split in splits.items()}
    return ImageFacts(
        **_common(data, counts, len(data.test)),
        sizes={name: len(split) for name, split in splits.items()},
        shared=_shared({name: _digests(split) for name, split in splits.items()}),
        shape=data.task.input_shape,
        mean=mean,
        sd=np.sqrt(np.maximum(share @ np.arange(256) ** 2 - mean**2, 0)),
        lowest=np.array([row[0] for row in seen]),
        highest=np.array([row[-1] for row in seen]),
    )


def _look_at_sentences(data: TaggedData) -> TagFacts:
    splits: dict[str, Sentences] = {name: getattr(data, name) for name in SPLITS}
    tags = {name: Counter(tag for row in split.tags for tag in row) for name, split in splits.items()}
    words = {name: Counter(token.lower() for row in split.tokens for token in row) for name, split in splits.items()}
    counts = {name: np.array([found[label] for label in data.task.labels]) for name, found in tags.items()}
    return TagFacts(
        **_common(data, counts, tags["test"].total()),
        sizes={name: len(split) for name, split in splits.items()},
        shared=_shared({name: list(split.tokens) for name, split in splits.items()}),
        lengths={name: np.array([len(row) for row in split.tokens]) for name, split in splits.items()},
        words={name: len(found) for name, found in words.items()},
        unseen={
            name: sum(count for word, count in found.items() if word not in words["train"]) / found.total()
            for name, found in words.items()
        },
        unknown_tags={
            name: sum(count for tag, count in found.items() if tag not in data.task.labels)
            for name, found in tags.items()
        },
    )


def _common(data: TaskData | TaggedData, counts: dict[str, np.ndarray], examples: int) -> dict:
    """Return what `Facts` has; `examples` of test, those with a label that train never has among them."""
    test = counts["test"]
    return {
        "name": data.task.name,
        "labels": tuple(data.task.labels),
        "counts": counts,
        "examples": examples,
        "chance": float(test[counts["train"].argmax()] / examples),
        "standard_error": binomial_standard_error(0.9, examples),
    }


def _shared(splits: dict[str, list]) -> dict[str, int]:
    train = set(splits["train"])
    return {name: sum(one in train for one in splits[name]) for name in SPLITS[1:]}


def _images(split: Split) -> Iterable[np.ndarray]:
    for begin in range(0, len(split), _ROWS):
        yield split.take(np.arange(begin, min(begin + _ROWS, len(split))))[0]


def _digests(split: Split) -> list[bytes]:
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for images in _images(split) for image in images]
