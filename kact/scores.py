"""Scores of a classifier on one split: the loss, and scikit-learn's accuracy, precision, recall, F1 and confusion.

>>> score(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 1]), ("cat", "dog"), "cross_entropy")["accuracy"]
1.0
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kact.losses import data_loss


def score(outputs: np.ndarray, labels: np.ndarray, names: Sequence[str], loss: str) -> dict[str, Any]:
    """Return every score of `outputs` on `labels`, as plain numbers.

    Args:
        outputs: the model's, `(n, classes)`.
        labels: integers, `(n,)`.
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
        "confusion": metrics.confusion_matrix(labels, predicted, labels=classes).tolist(),
    }
