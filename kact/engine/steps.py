"""The captured steps of one model: its training step and its prediction, one for each shape of what they take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import torch

from kact.engine import private
from kact.engine.capture import Step, capture
from kact.engine.layout import lay_out
from kact.engine.lengths import LENGTHS
from kact.optimizers.fused import fused


class Steps:
    """Captures Keras' own steps when they are first asked for; those of a tagger take sentences of any length.

    Args:
        model: built and compiled.

    Attributes:
        names: of the model's inputs, in the order in which a batch of sentences holds them.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.names: list[str] = [one.name for one in model.inputs]
        self._tags = len(model.output_shape) == 3
        self._layers = private.layers_of(model)
        self._captured: dict[tuple[Any, ...], Step] = {}
        self._facts: tuple[Any, ...] = ()

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.variables[0].value.device

    def check(self) -> None:
        """Forget what was captured if a weight has moved in memory, or what is trained has changed."""
        lay_out(self._layers, self.model.optimizer)
        layers = [layer.trainable for layer in self._layers]
        facts = (*layers, *((id(one), one.value.data_ptr(), one.trainable) for one in self._variables()))
        if facts != self._facts:
            self._captured.clear()
            self._facts = facts

    def capture_training(self, batch: Sequence[torch.Tensor]) -> None:
        """Capture the training step for batches like this one, before an epoch begins."""
        inputs, *labels = self._parts([one[:1] for one in batch])
        private.build_metrics(self.model, (inputs, *labels))
        self.check()
        self._step("train", self._train, batch)

    def train(self, batch: Sequence[torch.Tensor]) -> None:
        """Train on one batch: inputs, labels, and for sentences the weights of the labels."""
        self._step("train", self._train, batch)(*batch)

    def predict(self, batch: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the outputs for one batch of inputs, which the next prediction may overwrite."""
        output: torch.Tensor = self._step("predict", self._predict, batch)(*batch)[0]
        return output

    def _step(self, kind: str, step: Step, batch: Sequence[torch.Tensor]) -> Step:
        sizes = 2 if self._tags else 1  # where those sizes begin that are the same for every batch
        key = (kind, *((one.shape[0], *one.shape[sizes:], one.dtype) for one in batch))
        if key not in self._captured:
            examples = [list(batch)]
            if self._tags:
                examples = [[one.new_zeros(one.shape[0], steps, *one.shape[2:]) for one in batch] for steps in LENGTHS]
            self._captured[key] = capture(step, [variable.value for variable in self._variables()], *examples)
        return self._captured[key]

    def _parts(self, batch: Sequence[torch.Tensor]) -> tuple[Any, ...]:
        """Return inputs as Keras' model takes them, labels, and the labels' weights if the batch has such."""
        if self._tags:
            return dict(zip(self.names, batch, strict=False)), *batch[len(self.names) :]
        return batch[0].to(torch.float32), *batch[1:]

    def _train(self, *batch: torch.Tensor) -> None:
        model, variables = self.model, self.model.trainable_variables
        still = {id(one) for one in private.biases_taken_off(model)}
        inputs, labels, *rest = self._parts(batch)
        weight = rest[0] if rest else None
        with torch.enable_grad():
            outputs = model(inputs, training=True)
            loss = private.loss_of(model, inputs, labels, outputs, weight)
            scaled = model.optimizer.scale_loss(loss)
            moved = [variable.value for variable in variables if id(variable) not in still]
            found = iter(torch.autograd.grad(scaled, moved, allow_unused=True))
            gradients = [torch.zeros_like(one.value) if id(one) in still else next(found) for one in variables]
        with torch.no_grad(), fused(model.optimizer):
            private.note_loss(model, loss.detach(), len(labels))
            model.optimizer.apply(gradients, variables)
            model.compute_metrics(inputs, labels, outputs.detach(), sample_weight=weight)

    def _predict(self, *batch: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            output: torch.Tensor = self.model(self._parts(batch)[0], training=False)
            return output

    def _variables(self) -> list[Any]:
        model = self.model
        return list(
            {id(one): one for one in [*model.variables, *model.metrics_variables, *model.optimizer.variables]}.values()
        )
