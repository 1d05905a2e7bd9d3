"""Optimizers whose update is one kernel of torch instead of a dozen over all weights: SGD, Adam and AdamW.

Only while a step is captured; the numbers are Keras' to rounding, the variables and slots are Keras' own. PyTorch's
kernels compute Keras' formulas when they are told the right numbers: a rate of -1 for gradients divided by -1/rate,
and for Adam a step so late that its own bias correction is 1, as Keras' rate holds it already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import torch

_LATE = 1e9  # steps after which beta ** step is 0


@contextlib.contextmanager
def fused(optimizer: keras.Optimizer) -> Iterator[None]:
    """Let an optimizer update its weights with one kernel inside a block, if it is one of those that have one."""
    update = next((found for kind, found in _UPDATES.items() if isinstance(optimizer, kind)), None)
    if update is None:
        yield
        return
    own = vars(optimizer)  # past Keras' own bookkeeping of what is set on an optimizer

    def in_one(gradients: Sequence[Any], variables: Sequence[Any], rate: torch.Tensor) -> None:
        indices = [optimizer._get_variable_index(variable) for variable in variables]
        values = [variable.value for variable in variables]
        update(optimizer, values, _apart(gradients, values), indices, rate)

    own["_parallel_update_step"] = in_one
    try:
        yield
    finally:
        del own["_parallel_update_step"]


def _sgd(optimizer: Any, values: list[Any], gradients: list[Any], indices: list[int], rate: Any) -> None:
    plain: dict[str, Any] = {"weight_decay": 0.0, "dampening": 0.0, "maximize": False, "is_first_step": False}
    if not optimizer.momentum:
        torch._fused_sgd_(values, gradients, [], momentum=0.0, lr=rate, nesterov=False, **plain)
        return
    slots = [optimizer.momentums[index].value for index in indices]
    momentum, nesterov = optimizer.momentum, optimizer.nesterov
    torch._fused_sgd_(
        values, gradients, slots, momentum=momentum, lr=-1.0, nesterov=nesterov, grad_scale=-1 / rate, **plain
    )


def _adam(optimizer: Any, values: list[Any], gradients: list[Any], indices: list[int], rate: Any) -> None:
    step = keras.ops.cast(optimizer.iterations + 1, values[0].dtype)
    powers = [keras.ops.power(keras.ops.cast(beta, step.dtype), step) for beta in (optimizer.beta_1, optimizer.beta_2)]
    slots = [optimizer._momentums, optimizer._velocities, optimizer._velocity_hats if optimizer.amsgrad else []]
    first, second, most = ([slot[index].value for index in indices if slot] for slot in slots)
    late = torch.full((), _LATE, device=step.device)
    torch._fused_adam_(
        values, gradients, first, second, most, [late] * len(values),
        lr=rate * torch.sqrt(1 - powers[1]) / (1 - powers[0]), beta1=optimizer.beta_1, beta2=optimizer.beta_2,
        weight_decay=0.0, eps=optimizer.epsilon, amsgrad=optimizer.amsgrad, maximize=False,
    )  # fmt: skip


def _apart(gradients: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return gradients laid out as their weights are, none sharing memory with another: the kernels change them."""
    found: list[torch.Tensor] = []
    for gradient, value in zip(gradients, values, strict=True):
        shared = any(gradient.data_ptr() == other.data_ptr() for other in found)
        if shared or gradient.stride() != value.stride():
            gradient = torch.empty_like(value).copy_(gradient)
        found.append(gradient)
    return found


_UPDATES: dict[type, Callable[..., None]] = {keras.optimizers.SGD: _sgd, keras.optimizers.Adam: _adam}  # AdamW is Adam
