"""What layers see and make in a training step, and the gradients of a loss: on each backend, without changing anything.

>>> import keras
>>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="zeros")])
>>> look = gradients(model, np.ones((4, 2), "float32"), keras.ops.mean)
>>> [one.ravel().tolist() for one in look()[1]]
[[1.0, 1.0], [1.0]]
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kact import backend

if TYPE_CHECKING:
    import keras

_Forward = Callable[[Any, Any], tuple[Any, Any]]
Calls = list[tuple[Any, Any]]  # what went into a layer and what came out, each time that it was called


@contextlib.contextmanager
def recorded(layers: Sequence[keras.layers.Layer]) -> Iterator[list[Calls]]:
    """Keep what goes into and what comes out of some layers, wherever inside models they are, while a block calls them.

    Args:
        layers: whose first argument is one tensor.

    Yields:
        For each layer its calls so far.
    """
    calls: list[Calls] = [[] for _ in layers]

    def call_and_note(call: Callable[..., Any], noted: Calls, value: Any, *rest: Any, **settings: Any) -> Any:
        output = call(value, *rest, **settings)
        noted.append((value, output))
        return output

    for layer, noted in zip(layers, calls, strict=True):  # past Keras' own bookkeeping of what is set on a layer
        vars(layer)["call"] = functools.partial(call_and_note, layer.call, noted)
    try:
        yield calls
    finally:
        for layer in layers:
            vars(layer).pop("call", None)


def gradients(
    model: keras.Model, inputs: Any, loss: Callable[[Any], Any], sites: Sequence[keras.layers.Layer] = ()
) -> Callable[[], tuple[list[Calls], list[np.ndarray]]]:
    """Return a function of what some layers see and make in a training step, and of a loss' gradients.

    Batch norm uses this batch's statistics and dropout is on, drawing the same each time, yet nothing is changed by it:
    not a weight, not a running average, not a random state.

    Args:
        model: built.
        inputs: arrays as the model takes them.
        loss: from the model's output, as a tensor, to a scalar.
        sites: layers of the model, or of models inside it.

    Returns:
        A function without arguments: for the weights of the moment, each site's calls and each variable's gradient.

    Raises:
        KactError: on a backend without gradients.
    """
    import keras

    backend.check_training()
    inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)

    def forward(trainable: Any, others: Any) -> tuple[Any, Any]:
        with recorded(sites) as calls:
            output, _ = model.stateless_call(trainable, others, inputs, training=True)
        return loss(output), calls

    differentiated = _DIFFERENTIATE[backend.name()](forward)

    def at_the_moment() -> tuple[list[Calls], list[np.ndarray]]:
        trainable = [variable.value for variable in model.trainable_variables]
        others = [
            keras.ops.convert_to_tensor(backend.random_state(0, index, 0))
            if backend.is_random_state(variable)
            else variable.value
            for index, variable in enumerate(model.non_trainable_variables)
        ]
        calls, found = differentiated(trainable, others)
        seen = [[(backend.to_numpy(value), backend.to_numpy(output)) for value, output in noted] for noted in calls]
        return seen, [backend.to_numpy(gradient) for gradient in found]

    return at_the_moment


def _torch_gradients(forward: _Forward) -> _Forward:
    import torch

    def differentiated(trainable: Any, others: Any) -> tuple[Any, Any]:
        leaves = [value.detach().clone().requires_grad_() for value in trainable]
        with torch.random.fork_rng(), torch.enable_grad():
            torch.manual_seed(0)  # dropout draws from torch's own generator
            loss, calls = forward(leaves, others)
            found = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
        return calls, found

    return differentiated


def _tensorflow_gradients(forward: _Forward) -> _Forward:
    import tensorflow

    def differentiated(trainable: Any, others: Any) -> tuple[Any, Any]:
        leaves = [tensorflow.identity(value) for value in trainable]
        with tensorflow.GradientTape() as tape:
            tape.watch(leaves)
            loss, calls = forward(leaves, others)
        return calls, tape.gradient(loss, leaves, unconnected_gradients="zero")

    return differentiated


def _jax_gradients(forward: _Forward) -> _Forward:
    import jax

    def differentiated(trainable: Any, others: Any) -> tuple[Any, Any]:
        found, calls = jax.grad(forward, has_aux=True)(trainable, others)
        return calls, found

    return jax.jit(differentiated)  # op by op it takes a minute to compile


_DIFFERENTIATE = {"torch": _torch_gradients, "tensorflow": _tensorflow_gradients, "jax": _jax_gradients}
