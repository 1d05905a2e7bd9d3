"""Looking inside a network as it trains: dead and saturated units, activations and gradients by layer.

A unit is what has weights of its own: a neuron of a dense layer, a whole map of a convolution. It is *dead* when the
activation's slope at it is zero (below `DEAD_SLOPE`) for every example, position and time step of a sample, so that no
gradient reaches its weights; *saturated* when the slope is below `SATURATED_SLOPE` for at least `SATURATED_SHARE` of
them. These are the hard and the soft saturation of Gulcehre et al. 2016 (https://arxiv.org/abs/1603.00391), asked of
the inputs that a network meets, and they hold for any activation: slopes are differences of the layer itself. What is
padding of a sentence does not count. Layers of a model inside the model are called `inner/layer`.

>>> slope = np.array([[0.0, 1.0], [0.0, 1.0]])  # of two units, for two examples
>>> [which.tolist() for which in dead_and_saturated(slope)]
[[True, False], [True, False]]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kact import backend
from kact.diagnostics.feature_maps import ACTIVATIONS, layers_of
from kact.diagnostics.gradients import gradients

DEAD_SLOPE = 1e-5  # what differences in float32 can tell from zero
SATURATED_SLOPE = 0.01
SATURATED_SHARE = 0.95

_STEP = 0.01  # of the differences; the error of a slope is about 2e-5 where the third derivative is about 1
_MOST_EXAMPLES, _FEWEST_EXAMPLES = 256, 16
_MOST_NUMBERS = 50_000_000  # activations looked at together: 200 MB

Record = dict[str, Any]


def slopes(layer: keras.layers.Layer, z: np.ndarray) -> np.ndarray:
    """Return the slope of an element-wise activation layer at each of its inputs, by central differences in float32.

    Args:
        layer: the activation, at inference.
        z: its inputs, float32, of any shape that it takes.

    Example:
        >>> from kact import activations
        >>> slopes(activations.make("relu"), np.array([[-3.0, 2.0]], "float32")).round(3).tolist()
        [[0.0, 1.0]]
    """
    step = np.float32(_STEP) * np.maximum(np.abs(z) / 32, 1)  # longer where float32 is coarse
    above, below = z + step, z - step
    rise = backend.to_numpy(layer(above)).astype(np.float64) - backend.to_numpy(layer(below))
    return rise / (above.astype(np.float64) - below)  # what the steps came to when rounded


def dead_and_saturated(slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which units are dead and which saturated, given their slopes on a sample.

    Args:
        slope: `(..., units)`.

    Returns:
        Two boolean arrays `(units,)`; a dead unit is saturated too.

    Example:
        >>> [which.tolist() for which in dead_and_saturated(np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]))]
        [[True, False, False], [True, False, False]]
    """
    flat = np.abs(slope).reshape(-1, slope.shape[-1])  # (examples · positions, units)
    return (flat < DEAD_SLOPE).all(axis=0), (flat < SATURATED_SLOPE).mean(axis=0) >= SATURATED_SHARE


def observer(
    model: keras.Model, inputs: Any, labels: np.ndarray, loss: Callable[..., Any], weights: np.ndarray | None = None
) -> Callable[[], list[Record]]:
    """Return what looks at a network as a training step sees it; nothing is changed by looking.

    Args:
        model: functional, on a backend that trains.
        inputs, labels: a sample, as the model and the loss take them.
        loss: from (labels, outputs) to a loss an example, or a token.
        weights: of each example `(n,)` or token `(n, time)` in the mean loss; all alike if None. Activations of what
            has none are left out.

    Returns:
        A function without arguments that returns, for the weights of the moment, one record for each layer that has
        weights or is an activation: `layer`, `units`, `dead` and `saturated` (shares in [0, 1]), `activation_mean` and
        `activation_std` (of its outputs), `gradient_norm` (‖∂loss/∂w‖ over all of its weights). What a layer does not
        have is None; shares of a network whose numbers overflowed are NaN.

    Raises:
        KactError: on a backend without gradients.
    """
    layers = layers_of(model)
    sites = {name: layer for name, layer in layers.items() if isinstance(layer, ACTIVATIONS)}
    counted = None if weights is None else np.asarray(weights) > 0

    def mean_loss(outputs: Any) -> Any:
        each = loss(labels, outputs)
        if weights is None:
            return keras.ops.mean(each)
        return keras.ops.sum(each * keras.ops.convert_to_tensor(weights)) / float(np.sum(weights))

    compute = gradients(model, inputs, mean_loss, list(sites.values()))

    def look() -> list[Record]:
        calls, found = compute()
        gradient_of = {id(variable): one for variable, one in zip(model.trainable_variables, found, strict=True)}
        seen = dict(zip(sites, calls, strict=True))
        records = []
        for name, layer in layers.items():
            own = [gradient_of[id(variable)] for variable in layer.trainable_variables if id(variable) in gradient_of]
            if not own and not seen.get(name):
                continue
            record = {**dict.fromkeys(COLUMNS[1:]), "layer": name}
            if seen.get(name):
                record |= _activity(layer, *(_counted(ends, counted) for ends in zip(*seen[name], strict=True)))
            if own:
                record["gradient_norm"] = math.sqrt(sum(float(np.sum(np.square(one, dtype=np.float64))) for one in own))
            records.append(record)
        return records

    return look


def _counted(arrays: Sequence[np.ndarray], counted: np.ndarray | None) -> np.ndarray:
    """Return what a layer saw or made, `(..., units)`, in all of its calls, but for what does not count."""
    kept = arrays if counted is None else [one[counted] for one in arrays]  # (tokens, ..., units)
    return kept[0] if len(kept) == 1 else np.concatenate([one.reshape(-1, one.shape[-1]) for one in kept])


COLUMNS = ("epoch", "layer", "units", "dead", "saturated", "activation_mean", "activation_std", "gradient_norm")


def sample(model: keras.Model, length: int, steps: int = 1) -> np.ndarray:
    """Return which of `length` examples to look at: the same ones for each epoch, evenly spaced, as many as fit.

    At most 256, fewer where their activations would take more than about 200 MB, at least 16.

    Args:
        model: functional.
        length: how many examples there are.
        steps: tokens of the longest sentence, where the examples are sentences.

    Example:
        >>> from kact.models import build_model
        >>> sample(build_model("mlp", (8, 8, 1), 10), 1000)[:3].tolist()
        [0, 3, 7]
    """
    sizes = [math.prod(side or steps for side in layer.output.shape[1:]) for layer in layers_of(model).values()]
    count = min(length, max(_FEWEST_EXAMPLES, min(_MOST_EXAMPLES, _MOST_NUMBERS // max(sum(sizes), 1))))
    return np.unique(np.linspace(0, length - 1, count).astype(np.int64))


def _activity(layer: keras.layers.Layer, z: np.ndarray, out: np.ndarray) -> Record:
    z, out = z.astype(np.float32), out.astype(np.float64)
    with np.errstate(all="ignore"):  # a run that diverges has infinite activations, and says so
        dead, saturated = dead_and_saturated(slopes(layer, z))
        whole = np.isfinite(z).all()
        return {
            "units": out.shape[-1],
            "dead": float(dead.mean()) if whole else math.nan,
            "saturated": float(saturated.mean()) if whole else math.nan,
            "activation_mean": float(out.mean()),
            "activation_std": float(out.std()),
        }
