"""Optimizers whose update is one kernel of torch instead of a dozen over all weights: SGD, Adam and AdamW.

Only while a step is captured; the numbers are Keras' to rounding, the variables and slots are Keras' own. PyTorch's
kernels compute Keras' formulas when they are told the right numbers: a rate of -1 for gradients that were multiplied by
minus the rate, and for Adam a step so late that its own bias correction is 1, as Keras' rate holds it already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import torch

Tensors = Sequence[torch.Tensor]
_LATE = 1e30  # steps after which beta ** step is 0


@contextlib.contextmanager
def fused(optimizer: Any) -> Iterator[None]:
    """Let an optimizer update its weights with one kernel inside a block, if it is one of those that have one."""
    if not isinstance(optimizer, keras.optimizers.SGD | keras.optimizers.Adam):  # AdamW is Adam
        yield
        return

    def in_one(gradients: Sequence[Any], variables: Sequence[Any], rate: Any) -> None:
        indices = [optimizer._get_variable_index(variable) for variable in variables]
        weights = [variable.value for variable in variables]
        slots = [[slot[index].value for index in indices if slot] for slot in slots_of(optimizer)]
        tensors = [weights, _apart(gradients, weights), *slots]
        if isinstance(optimizer, keras.optimizers.Adam):
            adam(optimizer, tensors, unbiased(optimizer, optimizer.iterations.value, keras.ops.convert_to_tensor(rate)))
        elif optimizer.momentum:
            sgd(optimizer, tensors, grad_scale=-1 / rate)
        else:
            sgd(optimizer, tensors, lr=rate)

    own = vars(optimizer)  # past Keras' own bookkeeping of what is set on an optimizer
    own["_parallel_update_step"] = in_one
    try:
        yield
    finally:
        del own["_parallel_update_step"]


def slots_of(optimizer: Any) -> list[Any]:
    """Return the variables that a fused kernel keeps for each weight, in its order; nothing where it keeps none."""
    if isinstance(optimizer, keras.optimizers.SGD):
        return [optimizer.momentums if optimizer.momentum else []]
    return [optimizer._momentums, optimizer._velocities, optimizer._velocity_hats if optimizer.amsgrad else []]


def sgd(optimizer: Any, tensors: Sequence[Any], lr: Any = -1.0, grad_scale: torch.Tensor | None = None) -> None:
    """Move weights by SGD.

    PyTorch: v = momentum·v + g, w = w - lr·v. With g = -rate·gradient and an lr of -1 that is Keras' own.

    Args:
        optimizer: says its momentum, and whether it is Nesterov's.
        tensors: weights, gradients and slots, lists of tensors that lie alike in memory.
        lr: the rate, for gradients as they are.
        grad_scale: what gradients are divided by first.
    """
    torch._fused_sgd_(
        *tensors, momentum=optimizer.momentum, lr=lr, nesterov=optimizer.nesterov, grad_scale=grad_scale,
        weight_decay=0.0, dampening=0.0, maximize=False, is_first_step=False,
    )  # fmt: skip


def adam(optimizer: Any, tensors: Sequence[Any], rate: torch.Tensor) -> None:
    """Move weights by Adam, AMSGrad or AdamW, whose decay comes before; of `sgd`'s tensors, at an `unbiased` rate."""
    late = torch.full((), _LATE, device=rate.device)
    torch.ops.aten._fused_adam_.tensor_lr(
        *tensors, [late] * len(tensors[0]), lr=rate, beta1=optimizer.beta_1, beta2=optimizer.beta_2,
        weight_decay=0.0, eps=optimizer.epsilon, amsgrad=optimizer.amsgrad, maximize=False,
    )  # fmt: skip


def unbiased(optimizer: Any, iterations: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """Return Adam's rate of the next step with the correction of its bias in it, as Keras has it."""
    step = (iterations + 1).to(rate.dtype)
    first, second = (torch.pow(torch.full_like(step, beta), step) for beta in (optimizer.beta_1, optimizer.beta_2))
    return rate * torch.sqrt(1 - second) / (1 - first)


def _apart(gradients: Tensors, weights: Tensors) -> list[torch.Tensor]:
    """Return gradients laid out as their weights are, none sharing memory with another: the kernels change them."""
    found: list[torch.Tensor] = []
    for gradient, weight in zip(gradients, weights, strict=True):
        shared = any(gradient.data_ptr() == other.data_ptr() for other in found)
        if shared or gradient.stride() != weight.stride():
            gradient = torch.empty_like(weight).copy_(gradient)
        found.append(gradient)
    return found
