"""Initial weights, fit to the activation or chosen by name.

`auto` takes what the activation's own literature advises (`kact.activations.recommended_initializer`): He et al. 2015
(https://arxiv.org/abs/1502.01852) for units that cut half of their input, Glorot & Bengio 2010 for those that saturate
on both sides, LeCun for SELU. All three are normal (cut at two standard deviations, as Keras has them), so that a seed
gives every activation the same draws, scaled: runs are paired in their initial weights too. `torch` is what PyTorch
does when nobody asks: U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases, which most of the published studies
used.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kact import activations

if TYPE_CHECKING:
    import keras

SCHEMES = (
    "auto",
    "torch",
    "he_normal",
    "he_uniform",
    "glorot_normal",
    "glorot_uniform",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal",
)


def make(scheme: str, activation: str, fan_in: int, seed: int) -> dict[str, keras.Initializer]:
    """Return `kernel_initializer` and `bias_initializer` for one layer.

    Args:
        scheme: one of `SCHEMES`.
        activation: the spec of the activation that follows the layer; read by `auto`.
        fan_in: number of inputs of each unit.
        seed: of this layer's draws.

    Example:
        >>> sorted(make("torch", "relu", fan_in=75, seed=0))
        ['bias_initializer', 'kernel_initializer']
    """
    import keras

    if scheme == "torch":
        limit = 1 / math.sqrt(fan_in)
        return {
            "kernel_initializer": keras.initializers.RandomUniform(-limit, limit, seed=seed),
            "bias_initializer": keras.initializers.RandomUniform(-limit, limit, seed=seed + 1),
        }
    name = activations.recommended_initializer(activation) if scheme == "auto" else scheme
    kernel = keras.initializers.get({"class_name": _CLASSES[name], "config": {"seed": seed}})
    return {"kernel_initializer": kernel, "bias_initializer": keras.initializers.Zeros()}


_CLASSES = {
    "he_normal": "HeNormal",
    "he_uniform": "HeUniform",
    "glorot_normal": "GlorotNormal",
    "glorot_uniform": "GlorotUniform",
    "lecun_normal": "LecunNormal",
    "lecun_uniform": "LecunUniform",
    "orthogonal": "Orthogonal",
}
