"""The engine for torch: the whole training step captured once and replayed over data that lies on the device.

It is Keras' own step: the model, loss, metrics and optimizer that Keras compiled are traced, and every weight,
statistic, metric and optimizer variable stays a Keras variable. What cannot be captured trains with stock Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch

from kact import backend
from kact.engine.capture import CannotCapture
from kact.engine.steps import Steps
from kact.engine.stock import StockEngine
from kact.tasks import Split
from kact.tasks.batches import EpochBatches
from kact.text.encoded import EncodedSplit
from kact.text.token_batches import TokenBatches, predict_tokens, weighted


class CapturedEngine(StockEngine):
    """Trains and predicts by replaying captured steps, and as `StockEngine` where that cannot be, for its `reason`."""

    prediction_batch = 128

    def __init__(self, model: keras.Model, optimizer: keras.Optimizer, loss: Callable[..., Any], l2: float) -> None:
        super().__init__(model, optimizer, loss, l2)
        self._steps = Steps(model)
        self._predicts = True  # apart from training, so that a run trains alike from its first epoch to its last
        self._on_device: dict[int, Any] = {}

    @property
    def name(self) -> str:  # type: ignore[override]
        return "captured" if self.reason is None else "stock"

    def prepare(self, split: Split | EncodedSplit, batch_size: int) -> None:
        """Capture the steps of an epoch, which changes nothing else; after a refusal stock Keras takes over."""
        if self.reason is not None:
            return
        try:
            for size in (batch_size, len(split) % batch_size):
                if size:
                    self._steps.capture_training(self._batch(split, np.arange(size)))
        except CannotCapture as refusal:
            self.reason = str(refusal)

    def train_epoch(
        self, batches: EpochBatches | TokenBatches, on_batch: Callable[[int], None] | None = None
    ) -> dict[str, float]:
        """Train for one epoch, as `StockEngine.train_epoch` does."""
        self.prepare(batches.split, batches.batch_size)
        if self.reason is not None:
            return super().train_epoch(batches, on_batch)
        backend.reseed(self.model, batches.seed, batches.epoch)
        self.model.reset_metrics()
        order = batches.order if isinstance(batches, TokenBatches) else self._sent(batches.order)
        for number in range(len(batches)):
            part = slice(number * batches.batch_size, (number + 1) * batches.batch_size)
            given = self._batch(batches.split, order[part])
            if isinstance(batches, EpochBatches) and batches.drawn:
                given[0] = self._sent(batches.changed(given[0].cpu().numpy(), batches.order[part]))
            self._steps.train(given)
            if on_batch is not None:
                on_batch(number + 1)
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)  # running averages, as `fit` does
        logs = {name: float(value) for name, value in self.model.get_metrics_result().items()}
        return {"loss": logs.get("data_loss", logs["loss"]), "accuracy": logs["accuracy"]}

    def outputs_of(self, split: Split | EncodedSplit) -> tuple[np.ndarray, np.ndarray]:
        """Return the model's outputs for a whole split and its labels, as `StockEngine.outputs_of` does."""
        if self._predicts and isinstance(split, EncodedSplit):
            try:
                self._steps.check()
                return predict_tokens(self.model, split, self.prediction_batch, self._tagged), split.labels
            except CannotCapture:
                self._predicts = False
        return super().outputs_of(split)

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return the model's outputs, `(n, classes)` float32, for stored inputs `(n, height, width, channels)`."""
        if not (self._predicts and len(inputs)):
            return super().predict(inputs)
        size = self._filled_size(len(inputs))
        found = np.empty((len(inputs), *self.model.output_shape[1:]), np.float32)
        try:
            self._steps.check()
            for start in range(0, len(inputs), size):
                found[start : start + size] = self._outputs([inputs[start : start + size]], size)
        except CannotCapture:
            self._predicts = False
            return super().predict(inputs)
        return found

    def _tagged(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return a tagger's outputs `(batch, time, tags)` for a batch of features."""
        return self._outputs([inputs[name] for name in self._steps.names], self._filled_size(len(inputs["word"])))

    def _outputs(self, inputs: list[np.ndarray], size: int) -> np.ndarray:
        """Return the outputs for a batch, which is filled up to a size with its first example."""
        filled = [np.concatenate([one, np.repeat(one[:1], size - len(one), axis=0)]) for one in inputs]
        output = self._steps.predict([self._sent(one) for one in filled])
        return np.asarray(output[: len(inputs[0])].float().cpu())

    def _filled_size(self, count: int) -> int:
        """Return how many examples to predict at once: few sizes, as each is captured by itself."""
        return min(self.prediction_batch, 1 << (count - 1).bit_length())

    def _batch(self, split: Split | EncodedSplit, chosen: Any) -> list[torch.Tensor]:
        """Return what a training step takes: inputs, labels, and for sentences the weights of the labels.

        Args:
            split: the examples.
            chosen: rows of it, an array, or for images a tensor on the device, which nothing has to wait for.
        """
        if isinstance(split, EncodedSplit):
            inputs, labels = split.take(chosen)
            arrays = *(inputs[name] for name in self._steps.names), *weighted(labels, self.model.output_shape[-1])
            return [self._sent(array) for array in arrays]
        if id(split) not in self._on_device:  # all of it, sent there once
            self._on_device = {id(split): (split, *(self._sent(np.array(array)) for array in split.arrays()))}
        rows = chosen if isinstance(chosen, torch.Tensor) else self._sent(chosen)
        return [held.index_select(0, rows) for held in self._on_device[id(split)][1:]]

    def _sent(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self._steps.device)
