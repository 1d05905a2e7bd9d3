"""Scores of a classifier on one split: the loss, and scikit-learn's accuracy, precision, recall, F1 and confusion.

>>> score(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 1]), ("cat", "dog"), "cross_entropy")["accuracy"]
1.0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kact.losses import data_loss

if TYPE_CHECKING:
    from kact.text.encoded import EncodedSplit


def score(outputs: np.ndarray, labels: np.ndarray, names: Sequence[str], loss: str) -> dict[str, Any]:
    """Return every score of `outputs` on `labels`, as plain numbers.

    Args:
        outputs: the model's, `(n, classes)`.
        labels: integers, `(n,)`; one from `classes` on is a class that is not among `names`, and counts as wrong.
        names: of the classes, in order.
        loss: a name of `kact.losses.LOSSES`.

    Returns:
        `loss`, `accuracy`, macro `precision`, `recall` and `f1` (fractions in [0, 1]; a class that is never predicted
        has precision 0), `examples`, `per_class` by name, and `confusion`: row i, column j counts examples of class i
        predicted as j.
    """
    from sklearn import metrics

    predicted = outputs.argmax(axis=-1)
    classes = np.arange(len(names))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0.0
    )
    known = labels < len(names)
    pairs = np.bincount(labels[known] * len(names) + predicted[known], minlength=len(names) ** 2)
    columns = {"precision": precision, "recall": recall, "f1": f1}
    return {
        "loss": data_loss(outputs, labels, loss),
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        **{key: float(values.mean()) for key, values in columns.items()},
        "examples": len(labels),
        "per_class": {
            name: {**{key: float(values[i]) for key, values in columns.items()}, "examples": int(support[i])}
            for i, name in enumerate(names)
        },
        "confusion": pairs.reshape(len(names), len(names)).tolist(),
    }


def loss_and_accuracy(outputs: np.ndarray, labels: np.ndarray, loss: str) -> dict[str, float]:
    """Return just `loss` and `accuracy` of `outputs` `(n, classes)` on `labels` `(n,)`, as after every epoch.

    Example:
        >>> loss_and_accuracy(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1, 0]), "mse")
        {'loss': 0.0, 'accuracy': 1.0}
    """
    return {"loss": data_loss(outputs, labels, loss), "accuracy": float(np.mean(outputs.argmax(axis=-1) == labels))}


def tag_scores(outputs: np.ndarray, split: EncodedSplit, unknown_tags: Mapping[str, int]) -> dict[str, Any]:
    """Return the scores that only tagged sentences have.

    Args:
        outputs: of all tokens one after another, `(tokens, classes)`.
        split: the sentences. A tag that train never had counts as wrong, whatever is predicted.
        unknown_tags: those tags, with how often they come.

    Returns:
        `unseen_accuracy`, of tokens that train never has (None without any), and their number, `sequence_accuracy`,
        the share of sentences without an error, `sentences`, and `unknown_tags`.
    """
    right = outputs.argmax(axis=-1) == split.labels
    wrong_before = np.concatenate([[0], np.cumsum(~right)])
    clean = wrong_before[split.starts[1:]] == wrong_before[split.starts[:-1]]
    return {
        "unseen_accuracy": float(right[split.unseen].mean()) if split.unseen.any() else None,
        "unseen_examples": int(split.unseen.sum()),
        "sequence_accuracy": float(clean.mean()),
        "sentences": len(split),
        "unknown_tags": dict(unknown_tags),
    }
