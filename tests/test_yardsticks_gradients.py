"""The gradients of every activation in float64 against finite differences of the activation itself.

`test_contract_activations.py` holds float32 gradients to the papers' formulas; here it is float64, on each backend, and
on torch by `torch.autograd.gradcheck`, which looks at trainable parameters as well, and at second derivatives.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
import pytest

from kact.activations import ACTIVATIONS, make, resolve
from tests.gradients import value_and_gradient

BACKEND = keras.backend.backend()
SPECS = [*ACTIVATIONS, "elu(alpha=0.5)", "celu(alpha=2)", "snake(a=0.5)", "squareplus(b=0.5)", "eswish(beta=2)"]
# Away from the kinks at -3, -1, 0, 1, 3 and 6, where there is no derivative to compare with.
POINTS = np.array([[-9.3, -4.2, -2.4, -1.3, -0.7], [-0.2, -1e-3, 1e-3, 0.2, 0.8], [1.2, 2.6, 4.1, 6.7, 11.0]])
STEP = 1e-6


def in_float64() -> AbstractContextManager[Any]:
    if BACKEND != "jax":
        return nullcontext()
    import jax

    return jax.enable_x64(True)


def stands_on_float32(spec: str) -> bool:
    """Whether a tanh or sine of Keras' in an activation makes float32 of float64, as Keras' do on JAX."""
    needed = {"tanh": keras.ops.tanh, "mish": keras.ops.tanh, "penalized_tanh": keras.ops.tanh}
    needed |= {"lisht": keras.ops.tanh, "tanhexp": keras.ops.tanh, "snake": keras.ops.sin}
    function = needed.get(resolve(spec)[0].name)
    if function is None:
        return False
    with in_float64():
        made = function(keras.ops.convert_to_tensor(POINTS, dtype="float64"))
    return keras.backend.standardize_dtype(made.dtype) != "float64"


def built(spec: str) -> Any:
    layer = make(spec)
    layer.dtype_policy = keras.DTypePolicy("float64")
    return layer


@pytest.mark.parametrize("spec", SPECS)
def test_its_gradient_is_the_slope_of_its_value(spec: str) -> None:
    if stands_on_float32(spec):
        pytest.skip("Keras computes this activation in float32 here, whatever it is given")
    with in_float64():
        layer = built(spec)
        _, gradient = value_and_gradient(layer, POINTS, "float64")
        (above, _), (below, _) = (value_and_gradient(layer, POINTS + step, "float64") for step in (STEP, -STEP))
    np.testing.assert_allclose(gradient, (above - below) / (2 * STEP), rtol=1e-6, atol=2e-8)


@pytest.mark.skipif(BACKEND != "torch", reason="gradcheck is torch's")
@pytest.mark.parametrize("spec", SPECS)
def test_torchs_gradcheck_passes(spec: str) -> None:
    import torch

    layer, x = built(spec), torch.tensor(POINTS, requires_grad=True)
    layer(x)  # makes its weights
    weights = [torch.rand(weight.shape, dtype=torch.float64, requires_grad=True) for weight in layer.trainable_weights]
    fixed = [variable.value for variable in layer.non_trainable_variables]
    assert bool(weights) == resolve(spec)[0].trainable

    def applied(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        return layer.stateless_call(list(weights), fixed, x)[0]

    assert torch.autograd.gradcheck(applied, (x, *weights))


@pytest.mark.skipif(BACKEND != "torch", reason="gradgradcheck is torch's")
@pytest.mark.parametrize("spec", SPECS)
def test_second_derivatives_are_right_or_refused(spec: str) -> None:
    """A gradient written by hand may have no second derivative; it must then say so, and not give a wrong one."""
    import torch

    layer, x = built(spec), torch.tensor(POINTS, requires_grad=True)
    (slope,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    if not slope.requires_grad:
        assert resolve(spec)[0].name == "linear", "no graph of what is no straight line"
        return
    try:
        torch.autograd.grad(slope.sum(), x, allow_unused=True, retain_graph=True)
    except RuntimeError as refused:
        assert "is not implemented" in str(refused) or "once_differentiable" in str(refused)
        return
    assert torch.autograd.gradgradcheck(layer, (x,))
