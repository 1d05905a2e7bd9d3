"""Keras' own `fit` and `predict`, an epoch at a time: right on every backend, and what faster engines are held to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kact import backend
from kact.tasks import Split
from kact.tasks.batches import EpochBatches
from kact.text.encoded import EncodedSplit
from kact.text.token_batches import TokenBatches, predict_tokens
from kact.text.token_means import TokenLoss, TokenMean


class StockEngine:
    """Trains and predicts with Keras as it comes.

    Args:
        model: built; compiled here.
        optimizer: of Keras.
        loss: from (labels, outputs) to a loss an example.
        l2: λ of the penalty λ/2·‖w‖² over every trainable weight.

    Attributes:
        name: of the step that runs, "captured" or "stock".
        prediction_batch: examples that go through the model together; the outputs do not depend on it.
        reason: why stock Keras runs where captured steps were wanted.
    """

    name = "stock"
    prediction_batch = 256
    reason: str | None = None  # why it runs where captured steps were wanted
    facts: Mapping[str, Any] = {}  # what else a run's metrics say of the step

    def __init__(self, model: keras.Model, optimizer: keras.Optimizer, loss: Callable[..., Any], l2: float) -> None:
        self.model = model
        metrics: list[Any] = ["accuracy"]
        if l2:
            for variable in model.trainable_variables:
                variable.regularizer = keras.regularizers.L2(l2 / 2)
            metrics.append(keras.metrics.MeanMetricWrapper(loss, name="data_loss"))  # Keras' own includes the penalty
        if len(model.output_shape) == 3:  # a label a token: weights say which are real
            right = keras.metrics.sparse_categorical_accuracy
            counted = [TokenMean(right, name="accuracy"), TokenMean(loss, name="data_loss")]
            model.compile(optimizer=optimizer, loss=TokenLoss(loss), weighted_metrics=counted)
        else:
            model.compile(optimizer=optimizer, loss=loss, metrics=metrics)
        model.optimizer.build(model.trainable_variables)  # which in float16 is a loss-scaling one around ours

    def prepare(self, split: Split | EncodedSplit, batch_size: int) -> None:
        """Do what can be done before the first epoch; here nothing."""

    def train_epoch(
        self, batches: EpochBatches | TokenBatches, on_batch: Callable[[int], None] | None = None
    ) -> dict[str, float]:
        """Train for one epoch, which depends on the weights and the batches' (seed, epoch) alone.

        Args:
            batches: of this epoch.
            on_batch: called with the number of batches done.

        Returns:
            `loss`, without the penalty, and `accuracy`, both running means over the epoch's steps.
        """

        # Not before `fit`: Keras builds symbolically when it first runs, and on torch draws random numbers as it does,
        # and its loader one more when an epoch begins.
        def reseed(number: int, logs: Any = None) -> None:
            if number == 0:
                backend.reseed(self.model, batches.seed, batches.epoch)

        begin = "on_train_batch_begin" if backend.name() == "torch" else "on_epoch_begin"
        callbacks = [keras.callbacks.LambdaCallback(**{begin: reseed})]
        if on_batch is not None:
            callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: on_batch(batch + 1)))
        logs = self.model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=callbacks).history
        loss = logs["data_loss"] if "data_loss" in logs else logs["loss"]
        return {"loss": float(loss[0]), "accuracy": float(logs["accuracy"][0])}

    def outputs_of(self, split: Split | EncodedSplit) -> tuple[np.ndarray, np.ndarray]:
        """Return the model's outputs for a whole split and its labels.

        Returns:
            `(n, classes)` float32 and `(n,)` int64, of n examples, or of all tokens one after another.
        """
        if isinstance(split, EncodedSplit):
            return predict_tokens(self.model, split), split.labels
        inputs, labels = split.arrays()
        return self.predict(inputs), labels

    def timed_outputs_of(self, split: Split | EncodedSplit) -> tuple[np.ndarray, np.ndarray, float]:
        """Return what `outputs_of` does, and the seconds that it took."""
        began = time.perf_counter()
        return *self.outputs_of(split), time.perf_counter() - began

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return the model's outputs, `(n, classes)` float32, for stored inputs `(n, height, width, channels)`."""
        parts = [
            self.model.predict_on_batch(inputs[start : start + self.prediction_batch].astype(np.float32))
            for start in range(0, len(inputs), self.prediction_batch)
        ]
        return np.concatenate([np.asarray(part) for part in parts])
