"""The engine for torch: the whole training step captured once and replayed over data that lies on the device.

It is Keras' own step: the model, loss, metrics and optimizer that Keras compiled are traced, and every weight,
statistic, metric and optimizer variable stays a Keras variable. What cannot be captured trains with stock Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import torch

from kact import backend
from kact.engine.capture import CannotCapture, Step, capture
from kact.engine.layout import lay_out_kernels
from kact.engine.stock import StockEngine
from kact.tasks import Split
from kact.tasks.batches import EpochBatches
from kact.text.token_batches import TokenBatches

_PREDICTION_BATCH = 128


class CapturedEngine(StockEngine):
    """Trains and predicts by replaying captured steps, and as `StockEngine` where that cannot be, for its `reason`."""

    def __init__(self, model: keras.Model, optimizer: keras.Optimizer, loss: Callable[..., Any], l2: float) -> None:
        super().__init__(model, optimizer, loss, l2)
        self._steps = _Steps(model)
        self._predicts = True  # apart from training, so that a run trains alike from its first epoch to its last
        self._on_device: dict[int, Any] = {}

    @property
    def name(self) -> str:  # type: ignore[override]
        return "captured" if self.reason is None else "stock"

    def prepare(self, batches: EpochBatches | TokenBatches) -> None:
        """Capture the steps of an epoch, which changes nothing else; after a refusal stock Keras takes over."""
        if self.reason is not None:
            return
        try:
            if isinstance(batches, TokenBatches):
                raise CannotCapture("sentences come in too many lengths, each of which would be captured by itself")
            images, labels = self._held(batches.split)
            self._steps.capture_training([batches.batch_size, len(labels) % batches.batch_size], images, labels)
        except CannotCapture as refusal:
            self.reason = str(refusal)

    def train_epoch(
        self, batches: EpochBatches | TokenBatches, on_batch: Callable[[int], None] | None = None
    ) -> dict[str, float]:
        """Train for one epoch, as `StockEngine.train_epoch` does."""
        self.prepare(batches)
        if self.reason is not None or isinstance(batches, TokenBatches):
            return super().train_epoch(batches, on_batch)
        images, labels = self._held(batches.split)
        order = torch.from_numpy(batches.order).to(self._steps.device)
        backend.reseed(self.model, batches.seed, batches.epoch)
        self.model.reset_metrics()
        for number in range(len(batches)):
            chosen = order[number * batches.batch_size : (number + 1) * batches.batch_size]
            batch = images.index_select(0, chosen)
            if batches.drawn:
                changed = batches.changed(batch.cpu().numpy(), chosen.cpu().numpy())
                batch = torch.from_numpy(changed).to(self._steps.device)
            self._steps.train(batch, labels.index_select(0, chosen))
            if on_batch is not None:
                on_batch(number + 1)
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)  # running averages, as `fit` does
        logs = {name: float(value) for name, value in self.model.get_metrics_result().items()}
        return {"loss": logs.get("data_loss", logs["loss"]), "accuracy": logs["accuracy"]}

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return the model's outputs, `(n, classes)` float32, for stored inputs `(n, height, width, channels)`."""
        if not (self._predicts and len(inputs)):
            return super().predict(inputs)
        size = min(_PREDICTION_BATCH, 1 << (len(inputs) - 1).bit_length())  # few sizes: each is captured by itself
        parts = []
        for start in range(0, len(inputs), size):
            stored = inputs[start : start + size]
            filled = np.concatenate([stored, np.repeat(stored[:1], size - len(stored), axis=0)])
            try:
                output = self._steps.predict(torch.from_numpy(filled).to(self._steps.device))
            except CannotCapture:
                self._predicts = False
                return super().predict(inputs)
            parts.append(output[: len(stored)].float().cpu().numpy().copy())
        return np.concatenate(parts)

    def _held(self, split: Split) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a split's images and labels as tensors on the device, sent there once."""
        if id(split) not in self._on_device:
            images, labels = split.arrays()
            device = self._steps.device
            sent = (torch.from_numpy(np.array(array)).to(device) for array in (images, labels))
            self._on_device = {id(split): (split, *sent)}
        return self._on_device[id(split)][1:]


class _Steps:
    """The captured steps of one model, by the shape of what they take."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self._captured: dict[tuple[Any, ...], Step] = {}
        self._facts: tuple[Any, ...] = ()

    @property
    def device(self) -> torch.device:
        return self.model.variables[0].value.device

    def capture_training(self, sizes: Sequence[int], images: torch.Tensor, labels: torch.Tensor) -> None:
        """Capture the training step for batches of these sizes, before an epoch begins."""
        model = self.model
        model._symbolic_build(data_batch=(images[:1].to(torch.float32), labels[:1]))  # the metrics' variables
        self._forget_if_changed()
        for size in sizes:
            if size:
                self._step("train", self._train, (images[:size], labels[:size]))

    def train(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        with torch.no_grad():
            self._step("train", self._train, (images, labels))(images, labels)

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        self._forget_if_changed()
        with torch.no_grad():
            return self._step("predict", self._predict, (images,))(images)[0]

    def _step(self, kind: str, step: Step, arguments: tuple[torch.Tensor, ...]) -> Step:
        key = (kind, *((argument.shape, argument.dtype) for argument in arguments))
        if key not in self._captured:
            self._captured[key] = capture(step, [variable.value for variable in self._variables()], arguments)
        return self._captured[key]

    def _train(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        model, weights = self.model, self.model.trainable_variables
        with torch.enable_grad():
            outputs = model(images.to(torch.float32), training=True)
            loss = model._compute_loss(x=images, y=labels, y_pred=outputs, training=True)
            scaled = model.optimizer.scale_loss(loss)
            gradients = torch.autograd.grad(scaled, [variable.value for variable in weights], allow_unused=True)
        with torch.no_grad():
            model._loss_tracker.update_state(loss.detach(), sample_weight=images.shape[0])
            model.optimizer.apply(list(gradients), weights)
            model.compute_metrics(images, labels, outputs.detach())

    def _predict(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images.to(torch.float32), training=False)

    def _variables(self) -> list[Any]:
        model = self.model
        return list(
            {id(one): one for one in [*model.variables, *model.metrics_variables, *model.optimizer.variables]}.values()
        )

    def _forget_if_changed(self) -> None:
        """Forget the captured steps if a weight has moved in memory, or what is trained has changed."""
        kernels = [layer.kernel for layer in self.model._flatten_layers() if isinstance(layer, keras.layers.Conv2D)]
        shapes = {tuple(kernel.shape) for kernel in kernels}
        slots = [variable for variable in self.model.optimizer.variables if tuple(variable.shape) in shapes]
        lay_out_kernels([*kernels, *slots])
        variables = self._variables()
        layers = [layer.trainable for layer in self.model._flatten_layers()]
        facts = (*layers, *((id(one), one.value.data_ptr(), one.trainable) for one in variables))
        if facts != self._facts:
            self._captured.clear()
            self._facts = facts
