"""The losses by name: cross-entropy on logits, and the mean squared error to one-hot labels.

>>> data_loss(np.array([[0.0, 1.0]]), np.array([1]), "mse")
0.0
"""

from __future__ import annotations

from typing import Any

import numpy as np

LOSSES = ("cross_entropy", "mse")


def make_loss(name: str, classes: int) -> Any:
    """Return the Keras loss, from integer labels `(batch,)` and outputs `(batch, classes)` to one loss an example.

    With labels `(batch, time)` and outputs `(batch, time, classes)` it gives one loss a token.

    Args:
        name: "cross_entropy" (of the outputs' softmax) or "mse" (the outputs as they are against one-hot labels, mean
            over the classes, as PyTorch's `MSELoss`).
        classes: number of labels.
    """
    import keras
    from keras import ops

    def cross_entropy(labels: Any, outputs: Any) -> Any:
        return keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True)  # (batch,)

    def one_hot_mse(labels: Any, outputs: Any) -> Any:
        right = ops.cast(ops.reshape(labels, (*ops.shape(outputs)[:-1], 1)), "int32")  # (batch, 1) or (batch, time, 1)
        wanted = ops.cast(ops.equal(right, ops.arange(classes, dtype="int32")), outputs.dtype)
        return ops.mean(ops.square(outputs - wanted), axis=-1)  # (batch,) or (batch, time)

    return {"cross_entropy": cross_entropy, "mse": one_hot_mse}[name]


def data_loss(outputs: np.ndarray, labels: np.ndarray, name: str) -> float:
    """Return the mean loss of `outputs` `(n, classes)` for integer `labels` `(n,)`, in float64, without any penalty.

    A label from `classes` on stands for one that the model does not have; such rows are left out.
    """
    known = labels < outputs.shape[-1]
    outputs, labels = outputs[known].astype(np.float64), labels[known]
    rows = np.arange(len(labels))
    if name == "mse":
        wanted = np.zeros_like(outputs)
        wanted[rows, labels] = 1.0
        return float(np.mean((outputs - wanted) ** 2))
    return float(-np.mean(_log_softmax(outputs)[rows, labels]))


def probabilities(outputs: np.ndarray, name: str) -> np.ndarray:
    """Return `(n, classes)` probabilities: the softmax, or for "mse" the outputs cut to [0, 1] and normalised.

    Example:
        >>> probabilities(np.array([[0.5, 1.5, -1.0]]), "mse").round(3).tolist()
        [[0.333, 0.667, 0.0]]
    """
    outputs = outputs.astype(np.float64)
    if name == "cross_entropy":
        return np.exp(_log_softmax(outputs))
    positive = np.clip(outputs, 1e-12, 1.0)
    return positive / positive.sum(axis=-1, keepdims=True)


def _log_softmax(outputs: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # a run that diverged has infinite outputs; its loss is NaN
        shifted = outputs - outputs.max(axis=-1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
