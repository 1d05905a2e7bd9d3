"""Factors: what a study varies, as names with their values, checked and made unchangeable.

>>> factor_values("grid", {"model.hidden_units": [[32], [32, 32]]})
{'model.hidden_units': ((32,), (32, 32))}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kact.errors import KactError
from kact.settings import frozen, thawed


def factor_values(where: str, given: Mapping[str, Any], together: bool = False) -> dict[str, tuple[Any, ...]]:
    """Return each factor's values as a tuple.

    Args:
        where: "grid", "zip" or "tune", named in errors.
        given: factor to a list of its values.
        together: whether the lists go together, so that they must be of one length.

    Raises:
        KactError: for no list, an empty one, or one value twice in a list that stands for itself.
    """
    check_table(where, given)
    for name, values in given.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise KactError.parameter(f"{where}: {name}", values, "a list of at least one value")
        if any(_has_table(value) for value in values):
            raise KactError(f"A value of {where}: {name} is a table.", 'Give sizes of a model as "model.SIZE" factors.')
    found = {name: tuple(frozen(value) for value in values) for name, values in given.items()}
    for name, values in found.items():
        if not together and len(set(values)) < len(values):
            twice = next(value for place, value in enumerate(values) if value in values[:place])
            raise KactError(f"The value {twice!r} comes twice in {where}: {name}.", "Take one of them out.")
    if together and len({len(values) for values in found.values()}) != 1:
        sizes = ", ".join(f"{name} has {len(values)}" for name, values in found.items()) or "there are none"
        raise KactError(
            f"The lists of a [[{where}]] go together and must be of one length: {sizes}.",
            "Give each of them as many values.",
        )
    return found


def _has_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list | tuple) and any(_has_table(one) for one in value))


def check_table(where: str, given: object) -> None:
    """Raise unless `given` is a table, names to values."""
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise KactError.parameter(where, given, "a table")


def cell_in_words(cell: Mapping[str, Any]) -> str:
    """Return a cell, or other values by their names, for people.

    Example:
        >>> cell_in_words({"activation": "mish", "batch_size": 24})
        'activation mish, batch_size 24'
    """
    return ", ".join(f"{name} {thawed(value)}" for name, value in cell.items()) or "the only cell"
