"""Many models of one architecture, trained as one program on torch: their variables lie side by side.

The step is Keras' own model under `torch.func`'s `vmap(grad)`, written down once as kernels over all members. Each
Keras variable of a member is a view of its row, so that whatever reads or sets a member's weights works as ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.func import grad, vmap
from torch.overrides import TorchFunctionMode

from kact import backend
from kact.engine.capture import Step, capture
from kact.many.dropout import Masks
from kact.many.updates import make_update
from kact.tasks import Split

if TYPE_CHECKING:
    from kact.tasks.batches import EpochBatches

_PREDICTED_AT_ONCE = 1024  # images, over all members


class Stack:
    """Members that train together, each as if it were alone.

    Args:
        models: of one architecture, compiled, on one device, all having trained for equally many steps.
        loss: from (labels, outputs) to a loss an example.
        penalties: of each member, λ of λ/2·‖w‖² over every trainable weight.

    Raises:
        CannotCapture: with the reason, if such models cannot train together.
    """

    def __init__(self, models: Sequence[Any], loss: Callable[..., Any], penalties: Sequence[float]) -> None:
        self.models = models
        self.model = models[0]  # the one whose layers are called, with every member's numbers
        self.loss = loss
        self.masks = Masks(self.model, len(models))
        self.weights = _side_by_side([model.trainable_variables for model in models])
        self.others = _side_by_side([model.non_trainable_variables for model in models])
        slots = _side_by_side([model.optimizer.variables for model in models])
        self.update = make_update([model.optimizer for model in models], self.weights, slots)
        device = self.weights[0].device
        self.penalties = torch.tensor(penalties, dtype=torch.float32, device=device) if any(penalties) else None
        self.sums = torch.zeros(2, len(models), dtype=torch.float64, device=device)  # of losses, of right answers
        self._state = [*self.weights, *self.others, *slots, self.sums, *self.update.state]
        self._captured: dict[tuple[Any, ...], Step] = {}
        self._held: tuple[Split, torch.Tensor, torch.Tensor] | None = None
        self._made: dict[int, tuple[Split, np.ndarray, float]] = {}

    def __len__(self) -> int:
        return len(self.models)

    def prepare(self, batches: EpochBatches) -> None:
        """Capture the steps of an epoch, which changes nothing else.

        Raises:
            CannotCapture: with the reason.
        """
        images, labels = self._on_device(batches.split)
        for count in (batches.batch_size, len(labels) % batches.batch_size):
            if count:
                given = self._rows(images, labels, torch.zeros(len(self), count, dtype=torch.int64))
                self._step(self._train, (*given, *self.masks.blank(images.shape[1:], count)))

    def train_epoch(
        self, batches: Sequence[EpochBatches], on_batch: Callable[[int], None] | None = None
    ) -> list[dict[str, float]]:
        """Train every member for one epoch.

        Args:
            batches: of this epoch, a member's each, over the same split and of the same size.
            on_batch: called with the number of batches done.

        Returns:
            Of each member `loss`, without the penalty, and `accuracy`, as `StockEngine.train_epoch` does.
        """
        first = batches[0]
        self.prepare(first)
        self.forget()
        images, labels = self._on_device(first.split)
        orders = torch.from_numpy(np.stack([one.order for one in batches]))  # (members, examples)
        for model, one in zip(self.models, batches, strict=True):
            backend.reseed(model, one.seed, one.epoch)
        self.masks.reseed([backend.stream_seed(one.seed, "torch", one.epoch) for one in batches])
        self.sums.zero_()
        for number in range(len(first)):
            chosen = orders[:, number * first.batch_size : (number + 1) * first.batch_size]  # (members, batch)
            given = self._rows(images, labels, chosen)
            if first.drawn:
                changed = [
                    one.changed(*pair)
                    for one, *pair in zip(batches, given[0].cpu().numpy(), chosen.numpy(), strict=True)
                ]
                given = torch.from_numpy(np.stack(changed)).to(images.device), given[1]
            arguments = (*given, *self.masks.draw(images.shape[1:], chosen.shape[1]))
            with torch.no_grad():
                self._step(self._train, arguments)(*arguments)
            if on_batch is not None:
                on_batch(number + 1)
        for model in self.models:
            model.optimizer.finalize_variable_values(model.trainable_variables)  # running averages, as `fit` does
        losses, right = (self.sums / len(first.split)).tolist()
        return [{"loss": loss, "accuracy": accuracy} for loss, accuracy in zip(losses, right, strict=True)]

    def outputs_of(self, split: Split) -> tuple[np.ndarray, float]:
        """Return every member's outputs for a whole split, `(members, n, classes)` float32, and the seconds it took.

        They are kept until the members train, or `forget` is called.
        """
        if id(split) not in self._made:
            began = time.perf_counter()
            outputs = self._outputs(split.arrays()[0])
            self._made[id(split)] = split, outputs, time.perf_counter() - began
        return self._made[id(split)][1:]

    def forget(self) -> None:
        """Forget the outputs that were kept: somebody has set a member's weights."""
        self._made.clear()

    def _outputs(self, inputs: np.ndarray) -> np.ndarray:
        most = max(1, _PREDICTED_AT_ONCE // len(self))
        size = min(1 << (most.bit_length() - 1), 1 << (len(inputs) - 1).bit_length())  # few sizes: each is captured
        parts = []
        for start in range(0, len(inputs), size):
            stored = inputs[start : start + size]
            filled = np.concatenate([stored, np.repeat(stored[:1], size - len(stored), axis=0)])
            images = torch.from_numpy(filled).to(self.sums.device)
            with torch.no_grad():
                output = self._step(self._predict, (images,))(images)[0]
            parts.append(output[:, : len(stored)].float().cpu().numpy().copy())
        return np.concatenate(parts, axis=1)

    def _step(self, step: Step, arguments: tuple[torch.Tensor, ...]) -> Step:
        key = (step.__name__, *((argument.shape, argument.dtype) for argument in arguments))
        if key not in self._captured:
            self._captured[key] = capture(step, self._state, arguments)
        return self._captured[key]

    def _train(self, images: torch.Tensor, labels: torch.Tensor, *masks: torch.Tensor) -> None:
        """Move every member by one batch of its own, `(members, batch, height, width, channels)`."""
        rates = self.update.rates()  # (members,)
        factor = self.update.factor(rates)
        penalties = torch.zeros_like(rates) if self.penalties is None else self.penalties

        def objective(
            weights: list[torch.Tensor], others: list[torch.Tensor], penalty: Any, factor: Any, *batch: torch.Tensor
        ) -> tuple[torch.Tensor, tuple[Any, ...]]:
            images, labels, *drawn = batch
            with _AnyLayout(), self.masks.used(drawn):
                outputs, others = self.model.stateless_call(weights, others, images.to(torch.float32), training=True)
            losses = self.loss(labels, outputs)
            total = losses.mean()
            if self.penalties is not None:
                total = total + penalty / 2 * sum((weight * weight).sum() for weight in weights)
            right = outputs.argmax(-1) == labels
            return total * factor, (others, losses.sum(), right.sum())

        with torch.enable_grad():
            gradients, (others, losses, right) = vmap(grad(objective, has_aux=True))(
                self.weights, self.others, penalties, factor, images, labels, *masks
            )
        with torch.no_grad():
            self.sums.add_(torch.stack([losses, right]))
            for held, value in zip(self.others, others, strict=True):
                if held.is_floating_point():  # random states stay: masks are drawn outside
                    held.copy_(value)
            # the fused kernels walk memory: gradients must lie as the weights do
            self.update.apply(
                [
                    gradient.clone(memory_format=torch.contiguous_format) if not gradient.is_contiguous() else gradient
                    for gradient in gradients
                ],
                rates,
            )

    def _predict(self, images: torch.Tensor) -> torch.Tensor:
        def outputs(weights: list[torch.Tensor], others: list[torch.Tensor]) -> torch.Tensor:
            with _AnyLayout():
                return self.model.stateless_call(weights, others, images.to(torch.float32), training=False)[0]

        return vmap(outputs)(self.weights, self.others)

    def _rows(
        self, images: torch.Tensor, labels: torch.Tensor, chosen: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rows = chosen.reshape(-1).to(images.device)
        return (
            images.index_select(0, rows).view(*chosen.shape, *images.shape[1:]),
            labels.index_select(0, rows).view(chosen.shape),
        )

    def _on_device(self, split: Split) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a split's images and labels as tensors on the device, sent there once."""
        if self._held is None or self._held[0] is not split:
            sent = (torch.from_numpy(np.array(array)).to(self.sums.device) for array in split.arrays())
            self._held = (split, *sent)  # type: ignore[assignment]
        return self._held[1:]  # type: ignore[index]


class _AnyLayout(TorchFunctionMode):
    """Leaves layout alone under `vmap`: it means nothing to a member's share of a larger tensor."""

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        keywords = keywords or {}
        if keywords.get("memory_format") is torch.channels_last:
            if function is torch.Tensor.is_contiguous:
                return True
            if function is torch.Tensor.contiguous:
                return arguments[0]
        if function is torch.Tensor.contiguous:
            with torch._C.DisableTorchFunction():  # past the capture's own mode, which would ask
                return function(*arguments, **keywords)
        return function(*arguments, **keywords)


def _side_by_side(variables: Sequence[Sequence[Any]]) -> list[torch.Tensor]:
    """Return for each of the members' variables one tensor `(members, ...)`, of which theirs are views from now on."""
    stacked = []
    for same in zip(*variables, strict=True):
        rows = torch.stack([variable.value.detach() for variable in same])
        for variable, row in zip(same, rows, strict=True):
            variable.value.data = row
        stacked.append(rows)
    return stacked
