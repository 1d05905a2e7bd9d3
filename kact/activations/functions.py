"""The activation functions themselves: pure, in `keras.ops`, each registered with Keras as `kact>name`.

They keep the shape and dtype of their input, take parameters as their papers mean them, and stay finite, gradients
included, far from zero. Sources and defaults are in `kact.activations`; in a model use `kact.activations.make`, which
gives the activation a layer of its own.

>>> round(float(mish(ops.array(1.0))), 4)
0.8651
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import keras
from keras import ops

Tensor = Any  # of the backend in use, or symbolic
Function = TypeVar("Function", bound=Callable[..., Tensor])

FUNCTIONS: dict[str, Callable[..., Tensor]] = {}


def _activation(function: Function) -> Function:
    FUNCTIONS[function.__name__] = function
    return keras.saving.register_keras_serializable("kact", function.__name__)(function)


@_activation
def linear(x: Tensor) -> Tensor:
    """Return x.

    >>> float(linear(ops.array(-2.5)))
    -2.5
    """
    return x


@_activation
def sigmoid(x: Tensor) -> Tensor:
    """Return 1 / (1 + e⁻ˣ).

    >>> float(sigmoid(ops.array(0.0)))
    0.5
    """
    return ops.sigmoid(x)


@_activation
def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent.

    >>> round(float(tanh(ops.array(1.0))), 4)
    0.7616
    """
    return ops.tanh(x)


@_activation
def hard_sigmoid(x: Tensor) -> Tensor:
    """Return min(max(x + 3, 0), 6) / 6.

    >>> float(hard_sigmoid(ops.array(1.5)))
    0.75
    """
    return ops.hard_sigmoid(x)


@_activation
def hard_tanh(x: Tensor) -> Tensor:
    """Return x clipped to [-1, 1].

    >>> float(hard_tanh(ops.array(-3.0)))
    -1.0
    """
    return ops.hard_tanh(x)


@_activation
def softsign(x: Tensor) -> Tensor:
    """Return x / (1 + |x|).

    >>> float(softsign(ops.array(1.0)))
    0.5
    """
    return ops.softsign(x)


@_activation
def softplus(x: Tensor) -> Tensor:
    """Return ln(1 + eˣ).

    >>> round(float(softplus(ops.array(0.0))), 4)
    0.6931
    """
    return ops.softplus(x)


@_activation
def relu(x: Tensor) -> Tensor:
    """Return max(0, x).

    >>> float(relu(ops.array(3.0)))
    3.0
    """
    return ops.relu(x)


@_activation
def relu6(x: Tensor) -> Tensor:
    """Return x clipped to [0, 6].

    >>> float(relu6(ops.array(7.0)))
    6.0
    """
    return ops.relu6(x)


@_activation
def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Return x where x > 0 and negative_slope·x elsewhere.

    >>> float(leaky_relu(ops.array(-2.0), negative_slope=0.5))
    -1.0
    """
    return ops.leaky_relu(x, negative_slope=negative_slope)


@_activation
def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """Return x where x > 0 and alpha·(eˣ - 1) elsewhere.

    >>> round(float(elu(ops.array(-1.0))), 4)
    -0.6321
    """
    return ops.elu(x, alpha=alpha)


@_activation
def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """Return x where x > 0 and alpha·(exp(x / alpha) - 1) elsewhere.

    >>> round(float(celu(ops.array(-1.0), alpha=0.5)), 4)
    -0.4323
    """
    if alpha == 1:
        return ops.elu(x)
    # ops.celu has slope 2 at 0 on TensorFlow, whose minimum and maximum both pass the gradient of a tie. relu passes
    # none, so that x - relu(x) passes it once.
    positive = ops.relu(x)
    return positive + alpha * ops.expm1((x - positive) / alpha)


@_activation
def selu(x: Tensor) -> Tensor:
    """Return λ·x where x > 0 and λ·α·(eˣ - 1) elsewhere, with λ = 1.0507 and α = 1.6733.

    >>> round(float(selu(ops.array(1.0))), 4)
    1.0507
    """
    return ops.selu(x)


@_activation
def gelu(x: Tensor) -> Tensor:
    """Return x·Φ(x) with the exact normal distribution function.

    >>> round(float(gelu(ops.array(1.0))), 4)
    0.8413
    """
    return ops.gelu(x, approximate=False)


@_activation
def gelu_tanh(x: Tensor) -> Tensor:
    """Return GELU by its tanh approximation.

    >>> round(float(gelu_tanh(ops.array(1.0))), 4)
    0.8412
    """
    return ops.gelu(x, approximate=True)


@_activation
def silu(x: Tensor) -> Tensor:
    """Return x·σ(x).

    >>> round(float(silu(ops.array(1.0))), 4)
    0.7311
    """
    return ops.silu(x)


@_activation
def hard_silu(x: Tensor) -> Tensor:
    """Return x·min(max(x + 3, 0), 6) / 6.

    >>> float(hard_silu(ops.array(1.5)))
    1.125
    """
    return ops.hard_silu(x)


@_activation
def mish(x: Tensor) -> Tensor:
    """Return x·tanh(ln(1 + eˣ)).

    >>> round(float(mish(ops.array(-1.0))), 4)
    -0.3034
    """
    return x * ops.tanh(ops.softplus(x))  # twice as fast on CPU as PyTorch's own mish


@_activation
def squareplus(x: Tensor, b: float = 4.0) -> Tensor:
    """Return (x + √(x² + b)) / 2.

    >>> float(squareplus(ops.array(0.0)))
    1.0
    """
    # x + √(x² + b) cancels where x < 0; |x| + √(x² + b) never does, and the two multiply to b there.
    size = ops.abs(x)
    return 0.5 * (x + size + b / (size + ops.sqrt(x * x + b)))


@_activation
def squared_relu(x: Tensor) -> Tensor:
    """Return max(0, x)².

    >>> float(squared_relu(ops.array(3.0)))
    9.0
    """
    positive = ops.relu(x)
    return positive * positive


@_activation
def snake(x: Tensor, a: float = 1.0) -> Tensor:
    """Return x + sin²(a·x) / a.

    >>> round(float(snake(ops.array(1.0))), 4)
    1.7081
    """
    sine = ops.sin(a * x)
    return x + sine * sine / a


@_activation
def logish(x: Tensor) -> Tensor:
    """Return x·ln(1 + σ(x)).

    >>> round(float(logish(ops.array(1.0))), 4)
    0.5487
    """
    return x * ops.log1p(ops.sigmoid(x))


@_activation
def smish(x: Tensor) -> Tensor:
    """Return x·tanh(ln(1 + σ(x))).

    >>> round(float(smish(ops.array(1.0))), 4)
    0.4996
    """
    gate = ops.sigmoid(x)
    odds = gate * (gate + 2.0)  # tanh(ln u) = (u² - 1) / (u² + 1), with u² - 1 = gate·(gate + 2)
    return x * odds / (odds + 2.0)


@_activation
def serf(x: Tensor) -> Tensor:
    """Return x·erf(ln(1 + eˣ)).

    >>> round(float(serf(ops.array(1.0))), 4)
    0.9367
    """
    return x * ops.erf(ops.softplus(x))


@_activation
def eswish(x: Tensor, beta: float = 1.25) -> Tensor:
    """Return beta·x·σ(x).

    >>> round(float(eswish(ops.array(1.0), beta=2)), 4)
    1.4621
    """
    return beta * ops.silu(x)


@_activation
def penalized_tanh(x: Tensor, a: float = 0.25) -> Tensor:
    """Return tanh(x) where x > 0 and a·tanh(x) elsewhere.

    >>> round(float(penalized_tanh(ops.array(-1.0))), 4)
    -0.1904
    """
    return ops.leaky_relu(ops.tanh(x), negative_slope=a)  # tanh keeps the sign


@_activation
def lisht(x: Tensor) -> Tensor:
    """Return x·tanh(x).

    >>> round(float(lisht(ops.array(-1.0))), 4)
    0.7616
    """
    return x * ops.tanh(x)


@_activation
def tanhexp(x: Tensor) -> Tensor:
    """Return x·tanh(eˣ).

    >>> round(float(tanhexp(ops.array(1.0))), 4)
    0.9913
    """
    # Past 10 the tanh is 1 in every precision, while eˣ overflows further on and its gradient turns into 0·∞.
    # Keras' minimum of a float64 tensor and a number is float32 on torch; clip keeps the type.
    return x * ops.tanh(ops.exp(ops.clip(x, -math.inf, 10.0)))


def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """Return x where x > 0 and alpha·x elsewhere, with one alpha a channel.

    >>> float(prelu(ops.array([-2.0]), ops.array([0.25]))[0])
    -0.5
    """
    positive = ops.relu(x)
    return positive + alpha * (x - positive)  # the slope at 0 is alpha, as everywhere below; with relu(-x) it were 0
