"""Keras' own `fit` and `predict`, an epoch at a time: right on every backend, and what faster engines are held to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kact import backend
from kact.engine.batches import EpochBatches

_PREDICTION_BATCH = 256


class StockEngine:
    """Trains and predicts with Keras as it comes.

    Args:
        model: built; compiled here.
        optimizer: of Keras.
        loss: from (labels, outputs) to a loss an example.
        l2: λ of the penalty λ/2·‖w‖² over every trainable weight.
    """

    name = "stock"

    def __init__(self, model: keras.Model, optimizer: keras.Optimizer, loss: Callable[..., Any], l2: float) -> None:
        self.model = model
        metrics: list[Any] = ["accuracy"]
        if l2:
            for variable in model.trainable_variables:
                variable.regularizer = keras.regularizers.L2(l2 / 2)
            metrics.append(keras.metrics.MeanMetricWrapper(loss, name="data_loss"))  # Keras' own includes the penalty
        model.compile(optimizer=optimizer, loss=loss, metrics=metrics)
        model.optimizer.build(model.trainable_variables)  # which in float16 is a loss-scaling one around ours

    def train_epoch(self, batches: EpochBatches, on_batch: Callable[[int], None] | None = None) -> dict[str, float]:
        """Train for one epoch, which depends on the weights and the batches' (seed, epoch) alone.

        Args:
            batches: of this epoch.
            on_batch: called with the number of batches done.

        Returns:
            `loss`, without the penalty, and `accuracy`, both running means over the epoch's steps.
        """
        # Not before `fit`: Keras builds symbolically when it first runs, and on torch draws random numbers as it does.
        callbacks = [
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda _, logs: backend.reseed(self.model, batches.seed, batches.epoch)
            )
        ]
        if on_batch is not None:
            callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: on_batch(batch + 1)))
        logs = self.model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=callbacks).history
        loss = logs["data_loss"] if "data_loss" in logs else logs["loss"]
        return {"loss": float(loss[0]), "accuracy": float(logs["accuracy"][0])}

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return the model's outputs, `(n, classes)` float32, for stored inputs `(n, height, width, channels)`."""
        parts = [
            self.model.predict_on_batch(inputs[start : start + _PREDICTION_BATCH].astype(np.float32))
            for start in range(0, len(inputs), _PREDICTION_BATCH)
        ]
        return np.concatenate([np.asarray(part) for part in parts])
