"""The inputs of a trained network: their shapes, what they mean, and made ones to try it with.

>>> from kact.models import build_model
>>> input_shapes(build_model("mlp", (8, 8, 1), 10))
{'image': ['batch', 8, 8, 1]}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kact.export.formats import Arrays, Shapes

if TYPE_CHECKING:
    import keras

STEPS = 7  # tokens of a made sentence

_MEANINGS = {
    "image": "pixels as stored, from 0 to 255; the normalisation is in the network",
    "word": "the row of the token's normal form; 0 is padding, 1 any word that train never had",
    "affixes": "the rows of its prefixes of 1 to 3 and its suffixes of 1 to 4 characters",
    "shape": "the row of its shape, such as Xx or 0.0",
    "spelling": "21 answers about its spelling, 0 or 1",
    "count": "log(1 + how often train had its normal form) / 5",
    "characters": "the rows of its first and last ten characters, or of all of 20 at most",
    "clusters": "the rows of the first 2, 4, 6, 8, 12 and 16 bits of its word cluster",
    "cluster_count": "log(1 + how often the clusters' own corpus had it) / 15",
    "names": "whether each list of names has it, then whether it has it and begins with a capital, 0 or 1",
}


def described_inputs(model: keras.Model) -> dict[str, dict[str, Any]]:
    """Return for each input, by name and in order: shape, type, how many rows its indices have, and what it means."""
    rows = _rows(model)
    return {
        name: {
            "shape": shape,
            "dtype": str(tensor.dtype),
            **({"rows": rows[name]} if name in rows else {}),
            "meaning": _MEANINGS.get(name, ""),
        }
        for tensor, (name, shape) in zip(model.inputs, input_shapes(model).items(), strict=True)
    }


def random_inputs(model: keras.Model, count: int, steps: int = STEPS) -> Arrays:
    """Return inputs by name, the same at each call: pixels from 0 to 255, or padded sentences with every kind of index.

    Args:
        model: whose inputs are images or words.
        count: of examples.
        steps: tokens of the longest sentence.

    Returns:
        float32 pixels, or for words int32 indices of the rows that the model has (the last one is always among them)
        and float32 numbers from 0 to 2. Sentences are of different lengths, and 0 after their ends.

    Example:
        >>> from kact.models import build_model
        >>> {name: x.shape for name, x in random_inputs(build_model("mlp", (8, 8, 1), 10), 2).items()}
        {'image': (2, 8, 8, 1)}
    """
    generator, rows = np.random.default_rng(0), _rows(model)
    after_end = np.arange(steps) >= steps - np.arange(count)[:, None] % steps  # (count, steps); the first one is full
    made = {}
    for tensor in model.inputs:
        shape = (count, *(side or steps for side in tensor.shape[1:]))
        values: np.ndarray
        if tensor.name in rows:
            values = generator.integers(0, rows[tensor.name], shape)
            values.flat[0] = rows[tensor.name] - 1
        elif tensor.shape[1] is None:
            values = generator.uniform(0, 2, shape)
        else:
            values = generator.integers(0, 256, shape)
        if tensor.shape[1] is None:
            values[after_end] = 0
        made[tensor.name] = values.astype(tensor.dtype)
    return made


def _rows(model: keras.Model) -> dict[str, int]:
    """Return how many rows the table of embeddings has that each input of indices is looked up in."""
    import keras

    tables = [layer for layer in model.layers if isinstance(layer, keras.layers.Embedding)]
    return {table.input.name: table.input_dim for table in tables}


def input_shapes(model: keras.Model) -> Shapes:
    """Return the shape of each input by name; a side that is free has a name of its own."""
    free = ("batch", "time")  # the only axes whose length is open
    return {tensor.name: [side or free[axis] for axis, side in enumerate(tensor.shape)] for tensor in model.inputs}
