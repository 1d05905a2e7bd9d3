"""What each activation computes, in NumPy and float64: written from the papers, without looking at kact's code.

>>> float(REFERENCES["leaky_relu"](np.array(-1.0)))
-0.01
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

erf = np.vectorize(math.erf, otypes=[np.float64])
erfc = np.vectorize(math.erfc, otypes=[np.float64])


def sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ), from the exponential that does not overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def softplus(x: Array) -> Array:
    """ln(e⁰ + eˣ)."""
    return np.logaddexp(0.0, x)


def exponential_below_zero(x: Array, alpha: float, scale: float = 1.0) -> Array:
    """x above zero, alpha·(exp(x / scale) - 1) below."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / scale))


def line_below_zero(x: Array, slope: float) -> Array:
    """x above zero, slope·x below."""
    return np.where(x > 0, x, slope * x)


def squareplus(x: Array, b: float = 4.0) -> Array:
    """(x + √(x² + b)) / 2; below zero as its conjugate, b / (2·(√(x² + b) - x)), where the sum would cancel."""
    root = np.sqrt(x**2 + b)
    return np.where(x > 0, (x + root) / 2, b / (2 * (root - np.minimum(x, 0))))


def selu(x: Array) -> Array:
    """The two constants to the digits that Klambauer et al. 2017 print."""
    return 1.0507009873554805 * exponential_below_zero(x, 1.6732632423543772)


REFERENCES: dict[str, Callable[..., Array]] = {
    "linear": lambda x: x,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softplus": softplus,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x, negative_slope=0.01: line_below_zero(x, negative_slope),
    "prelu": lambda x, initial_alpha=0.25: line_below_zero(x, initial_alpha),  # before any training
    "rrelu": lambda x, lower=0.125, upper=1 / 3: line_below_zero(x, (lower + upper) / 2),  # at inference
    "elu": lambda x, alpha=1.0: exponential_below_zero(x, alpha),
    "celu": lambda x, alpha=1.0: exponential_below_zero(x, alpha, scale=alpha),
    "selu": selu,
    "gelu": lambda x: x * erfc(-x / math.sqrt(2)) / 2,
    "gelu_tanh": lambda x: x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)),
    "silu": lambda x: x * sigmoid(x),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "squareplus": squareplus,
    "squared_relu": lambda x: np.maximum(x, 0) ** 2,
    "snake": lambda x, a=1.0: x + (1 - np.cos(2 * a * x)) / (2 * a),
    "logish": lambda x: x * np.log1p(sigmoid(x)),
    "smish": lambda x: x * np.tanh(np.log1p(sigmoid(x))),
    "serf": lambda x: x * erf(softplus(x)),
    "eswish": lambda x, beta=1.25: beta * x * sigmoid(x),
    "penalized_tanh": lambda x, a=0.25: np.where(x > 0, np.tanh(x), a * np.tanh(x)),
    "lisht": lambda x: x * np.tanh(x),
    "tanhexp": lambda x: x * np.tanh(np.exp(np.minimum(x, 50))),
}
