"""The curve of an activation and its slope, as numbers to draw or to look up.

>>> curve = sample("relu", -1.0, 1.0, 5)
>>> curve.x.tolist(), curve.y.tolist()
([-1.0, -0.5, 0.0, 0.5, 1.0], [0.0, 0.0, 0.0, 0.5, 1.0])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kact.errors import KactError

MOST_POINTS = 10_000
FARTHEST = 1e6  # from zero; beyond it float32 is too coarse for slopes


@dataclass(frozen=True, eq=False)
class Curve:
    """An activation at some points.

    Attributes:
        x: `(points,)`, ascending.
        y: what the activation makes of them, at inference, with the weights that it starts with.
        slope: its derivative there, by central differences; float64 as the others.
    """

    x: np.ndarray
    y: np.ndarray
    slope: np.ndarray


def sample(spec: str, low: float = -5.0, high: float = 5.0, points: int = 401) -> Curve:
    """Return an activation's values and slopes at evenly spaced points.

    Args:
        spec: the activation.
        low, high: the ends, within ±1,000,000.
        points: how many, 2 to 10,000.

    Raises:
        KactError: for an unusable spec, ends that are not in order or too far out, or another number of points.

    Example:
        >>> sample("elu(alpha=2)", -3, 3, 7).slope.round(2).tolist()[-2:]
        [1.0, 1.0]
    """
    from kact import activations

    if not -FARTHEST <= low < high <= FARTHEST:
        raise KactError.parameter("low, high", (low, high), "two numbers in order, within ±1,000,000")
    if not 2 <= points <= MOST_POINTS:
        raise KactError.parameter("points", points, f"a number from 2 to {MOST_POINTS:,}")
    layer = activations.make(spec)
    from kact import backend
    from kact.diagnostics import slopes

    x = np.linspace(low, high, points)
    z = x.astype(np.float32)[:, None]  # (points, 1): one channel, for those with a weight a channel
    y = backend.to_numpy(layer(z)).astype(np.float64)[:, 0]
    return Curve(x, y, slopes(layer, z)[:, 0])
