"""Gradients on whichever backend runs, for tests.

>>> import numpy as np
>>> value, gradient = value_and_gradient(lambda x: x * x, np.array([3.0]), "float32")
>>> value.tolist(), gradient.tolist()
([9.0], [6.0])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Array = np.ndarray[Any, Any]


def value_and_gradient(function: Callable[[Any], Any], x: Array, dtype: str) -> tuple[Array, Array]:
    """Return function(x) and the gradient of its sum by x, both in float64.

    Args:
        function: of one tensor; every element of its value depends on one element of x.
        x: the points.
        dtype: of the tensor that the function is given.
    """
    tensor = keras.ops.convert_to_tensor(x, dtype=dtype)
    if keras.backend.backend() == "torch":
        import torch

        tensor = tensor.detach().requires_grad_()
        value = function(tensor)
        (gradient,) = torch.autograd.grad(value.sum(), tensor)
        return to_float64(value.detach()), to_float64(gradient)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        with tensorflow.GradientTape() as tape:
            tape.watch(tensor)
            value = function(tensor)
            total = tensorflow.reduce_sum(value)
        return to_float64(value), to_float64(tape.gradient(total, tensor))
    if keras.backend.backend() == "jax":
        import jax

        return to_float64(function(tensor)), to_float64(jax.grad(lambda at: function(at).sum())(tensor))
    raise NotImplementedError(f"The backend {keras.backend.backend()!r} has no gradients.")


def to_float64(tensor: Any) -> Array:
    """Return a tensor of any float type as a float64 array, without a second cast on the backend."""
    if keras.backend.standardize_dtype(tensor.dtype) in ("float16", "bfloat16"):
        tensor = keras.ops.cast(tensor, "float32")  # NumPy has no bfloat16
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype=np.float64)
