"""The activations: their table, the functions and layers behind it, and those of one's own.

`registry` holds the table and reads specs, `functions` is the arithmetic in `keras.ops`, `layers` makes Keras layers of
it, `own` looks up `package.module:function`. Importing this loads no deep-learning library; only `make` does.

>>> canonical_spec("swish")
'silu'
"""

from kact.activations.registry import (
    ACTIVATIONS,
    ALIASES,
    Activation,
    canonical_spec,
    make,
    recommended_initializer,
    resolve,
    was_asked_for,
)

__all__ = [
    "ACTIVATIONS",
    "ALIASES",
    "Activation",
    "canonical_spec",
    "make",
    "recommended_initializer",
    "resolve",
    "was_asked_for",
]
