"""The optimizers by name and their learning-rate schedules.

`registry` reads specs and makes Keras' optimizers, `schedules` are functions of the step, `fused` are updates in one
kernel of torch. Importing this loads no deep-learning library.

>>> default_learning_rate("adam")
0.001
"""

from kact.optimizers.registry import (
    OPTIMIZERS,
    SCHEDULES,
    SHORTHANDS,
    Optimizer,
    canonical_optimizer,
    canonical_schedule,
    default_learning_rate,
    make_optimizer,
    make_schedule,
)

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "SHORTHANDS",
    "Optimizer",
    "canonical_optimizer",
    "canonical_schedule",
    "default_learning_rate",
    "make_optimizer",
    "make_schedule",
]
