"""The batches of one epoch of a tagger: padded sentences, and a weight of 0 for all that is no token."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kact import backend
from kact.text.encoded import EncodedSplit


class TokenBatches(keras.utils.PyDataset):
    """One epoch over tagged sentences, shuffled, and with words and clusters hidden, from their own random streams.

    Args:
        split: the training sentences.
        classes: number of tags.
        batch_size: sentences a batch, all where there are fewer; the last one holds what is left.
        word_dropout, cluster_dropout: how much is hidden, as for `EncodedSplit.dropped`.
        seed, epoch: what order and hiding depend on; nothing else does.
    """

    def __init__(
        self,
        split: EncodedSplit,
        classes: int,
        batch_size: int,
        word_dropout: float,
        cluster_dropout: float,
        seed: int,
        epoch: int,
    ) -> None:
        super().__init__()
        self.split = split.dropped(backend.stream(seed, "word dropout", epoch), word_dropout, cluster_dropout)
        self.classes = classes
        self.batch_size = min(batch_size, len(split))
        self.seed = seed
        self.epoch = epoch
        self.order = backend.stream(seed, "shuffle", epoch).permutation(len(split))
        self.steps = int(split.lengths.max()) if backend.compiles_shapes() else None

    def __len__(self) -> int:
        return math.ceil(len(self.split) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        inputs, labels = self.split.take(chosen, self.steps)
        return inputs, *weighted(labels, self.classes)


def weighted(labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels that a loss can take, and the weight of each: 1 for a token with a known tag, else 0.

    Example:
        >>> weighted(np.array([[1, 2, -1]]), classes=2)
        (array([[1, 0, 0]]), array([[1., 0., 0.]], dtype=float32))
    """
    counts = (labels >= 0) & (labels < classes)
    return np.where(counts, labels, 0), counts.astype(np.float32)


def predict_tokens(
    model: keras.Model, split: EncodedSplit, batch_size: int = 128, predict: Callable[..., Any] | None = None
) -> np.ndarray:
    """Return a tagger's outputs for all tokens of a split, one after another, `(tokens, classes)` float32.

    Sentences of like length go through the model together. Where a program is compiled for each shape, lengths are
    rounded up to powers of two.

    Args:
        model: the tagger.
        split: sentences.
        batch_size: how many go through it together.
        predict: from a batch of features to the model's outputs, where not the model's own `predict_on_batch`.
    """
    predict = predict or model.predict_on_batch
    lengths = split.lengths
    found = np.empty((len(split.labels), model.output_shape[-1]), np.float32)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        steps = int(lengths[chosen].max())
        if backend.compiles_shapes():
            steps = max(8, 1 << (steps - 1).bit_length())
        outputs = np.asarray(predict(split.take(chosen, steps)[0]))  # (batch, steps, classes)
        for sentence, rows in zip(chosen, outputs, strict=True):
            found[split.starts[sentence] : split.starts[sentence + 1]] = rows[: lengths[sentence]]
    return found
