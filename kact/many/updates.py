"""How an optimizer moves many members at once: Keras' arithmetic, in PyTorch's fused kernels where they can do it.

The fused kernels read and write each weight once, where Keras' own lists of kernels do so ten times over. Whatever has
no such kernel runs Keras' `update_step` for all members under `vmap`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.func import vmap

from kact.optimizers import fused
from kact.optimizers.schedules import LearningRate

Tensors = list[torch.Tensor]  # each (members, ...)
_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm", "use_ema")


class Update:
    """Any optimizer of Keras, member by member under `vmap`.

    Args:
        optimizers: of each member, alike but for the learning rate, and built.
        weights: of all members.
        slots: of all members, as `optimizer.variables`.

    Attributes:
        state: tensors that the update reads besides the weights and slots.
    """

    def __init__(self, optimizers: Sequence[Any], weights: Tensors, slots: Tensors) -> None:
        self.optimizer = optimizers[0]
        self.weights = weights
        self.slots = slots
        self._slot_of = {id(variable): slot for variable, slot in zip(self.optimizer.variables, slots, strict=True)}
        schedules = [optimizer._learning_rate for optimizer in optimizers]
        self.state: Tensors = []
        if isinstance(schedules[0], LearningRate):
            peaks = [schedule.peak for schedule in schedules]
            self.state = [torch.tensor(peaks, dtype=torch.float32, device=weights[0].device)]
            self._share = LearningRate.from_config({**schedules[0].get_config(), "peak": 1.0})
            self.alike = len(set(peaks)) == 1
        else:
            self.alike = len({float(rate) for rate in self._slot(schedules[0])}) == 1

    def rates(self) -> torch.Tensor:
        """Return each member's learning rate of this step, `(members,)`."""
        if not self.state:
            return self._slot(self.optimizer._learning_rate)
        return self.state[0] * self._share(self._slot(self.optimizer._iterations))

    def factor(self, rates: torch.Tensor) -> torch.Tensor:
        """Return what each member's loss is to be multiplied by, `(members,)`, for gradients as `apply` takes them."""
        return torch.ones_like(rates)

    def apply(self, gradients: Tensors, rates: torch.Tensor) -> None:
        """Move the weights and the slots."""

        def one(weights: Tensors, slots: Tensors, gradients: Tensors, rate: torch.Tensor) -> tuple[Any, Any]:
            own["_learning_rate"] = lambda: rate
            return self.optimizer.stateless_apply(slots, gradients, weights)

        own = vars(self.optimizer)
        before = dict(own)
        # in place of the lists of kernels that Keras has for torch, which vmap does not know
        own.update(_backend_update_step=self._update_each, _apply_weight_decay=self._decay_each)
        try:
            weights, slots = vmap(one)(self.weights, self.slots, gradients, rates)
        finally:
            own.clear()
            own.update(before)
        for held, value in zip([*self.weights, *self.slots], [*weights, *slots], strict=True):
            held.copy_(value)

    def _update_each(self, gradients: Any, variables: Any, rate: Any) -> None:
        for gradient, variable in zip(gradients, variables, strict=True):
            self.optimizer.update_step(gradient, variable, rate)

    def _decay_each(self, variables: Any) -> None:
        optimizer = self.optimizer
        for variable in variables if optimizer.weight_decay is not None else ():
            variable.assign(variable - variable * optimizer.weight_decay * optimizer.learning_rate)

    def _slot(self, variable: Any) -> torch.Tensor:
        return self._slot_of[id(variable)]

    def _kept(self) -> list[Tensors]:
        return [[self._slot(variable) for variable in slot] for slot in fused.slots_of(self.optimizer)]

    def _count(self) -> None:
        self._slot(self.optimizer._iterations).add_(1)


class SGDUpdate(Update):
    """SGD, with momentum and Nesterov's, of gradients that come multiplied by minus the learning rate."""

    def factor(self, rates: torch.Tensor) -> torch.Tensor:
        return -rates

    def apply(self, gradients: Tensors, rates: torch.Tensor) -> None:
        fused.sgd(self.optimizer, [self.weights, gradients, *self._kept()])
        self._count()


class AdamUpdate(Update):
    """Adam, AMSGrad and AdamW. Keras corrects the bias in the learning rate, and so epsilon is added uncorrected."""

    def apply(self, gradients: Tensors, rates: torch.Tensor) -> None:
        optimizer = self.optimizer
        if optimizer.weight_decay is not None:
            for weight in self.weights:
                weight.mul_((1 - optimizer.weight_decay * rates).view(-1, *[1] * (weight.ndim - 1)))
        corrected = fused.unbiased(optimizer, self._slot(optimizer._iterations), rates)  # (members,)
        held = [self.weights, gradients, *self._kept()]
        if self.alike:  # one rate for all of them, and so one kernel
            members, corrected = [held], corrected[:1]
        else:
            members = [[[tensor[row] for tensor in tensors] for tensors in held] for row in range(len(rates))]
        for tensors, rate in zip(members, corrected, strict=True):
            fused.adam(optimizer, tensors, rate)
        self._count()


_FUSED = {"SGD": SGDUpdate, "Adam": AdamUpdate, "AdamW": AdamUpdate}


def make_update(optimizers: Sequence[Any], weights: Tensors, slots: Tensors) -> Update:
    """Return how these optimizers move their members' weights."""
    first = optimizers[0]
    kind = Update if any(getattr(first, name) for name in _CLIPPING) else _FUSED.get(type(first).__name__, Update)
    return kind(optimizers, weights, slots)
