"""Looking inside a network: dead and saturated `units`, `feature_maps` and kernels, `gradients` on each backend."""

from kact.diagnostics.units import (
    COLUMNS,
    DEAD_SLOPE,
    SATURATED_SHARE,
    SATURATED_SLOPE,
    Record,
    dead_and_saturated,
    observer,
    sample,
    slopes,
)

__all__ = [
    "COLUMNS",
    "DEAD_SLOPE",
    "SATURATED_SHARE",
    "SATURATED_SLOPE",
    "Record",
    "dead_and_saturated",
    "observer",
    "sample",
    "slopes",
]
