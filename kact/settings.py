"""Settings: dataclass fields that carry their own help text and range, for models and experiments alike.

One declaration serves the constructor's checks, the command line's help and the documentation.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Pan:
...     litres: float = setting(1.0, "how much it holds", above=0)
...     def __post_init__(self):
...         check_settings(self)
>>> Pan(litres=-2)
Traceback (most recent call last):
kact.errors.KactError: The 'litres' parameter must be a number above 0. Got -2 instead.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from kact.errors import KactError
from kact.spec import is_finite


def setting(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> Any:
    """Return a dataclass field with a default, a help text and the range that `check_settings` holds it to.

    Args:
        default: the value when nothing is given.
        help: one line for `--help`, in lower case.
        choices: the strings allowed, if there is a list of them.
        at_least, above, at_most, below: bounds on a number, or on each number of a tuple.
    """
    bounds = {"at_least": at_least, "above": above, "at_most": at_most, "below": below}
    metadata = {
        "help": help,
        "choices": choices,
        **{name: bound for name, bound in bounds.items() if bound is not None},
    }
    return dataclasses.field(default=default, metadata=metadata)


def check_settings(settings: Any) -> None:
    """Check each field of a frozen dataclass and bring it to its declared type (1 to 1.0, a list to a tuple).

    Args:
        settings: an instance whose fields were declared with `setting`.

    Raises:
        KactError: for the first field whose value is of another type, out of range or not among its choices.
    """
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        if field.metadata:
            value = _coerce(getattr(settings, field.name), hints[field.name], field.name, field.metadata)
            object.__setattr__(settings, field.name, value)


def known_settings(settings: type, given: Mapping[str, Any], where: str) -> None:
    """Raise for the first key of `given` that is no field of the dataclass `settings`.

    Args:
        settings: the dataclass.
        given: keys and values, from a file say.
        where: what they were given to, such as "model mlp", named in the error.
    """
    names = [field.name for field in dataclasses.fields(settings)]
    for key in given:
        if key not in names:
            raise KactError.parameter(where, key, "given settings among", choices=names)


def frozen(value: Any) -> Any:
    """Return a value of TOML or JSON with tuples in place of lists, so that nothing changes it.

    Example:
        >>> frozen([32, [1, 2]])
        (32, (1, 2))
    """
    return tuple(frozen(one) for one in value) if isinstance(value, list | tuple) else value


def thawed(value: Any) -> Any:
    """Return a value as TOML and JSON have it: lists for tuples, plain tables.

    Example:
        >>> thawed((32, (1, 2)))
        [32, [1, 2]]
    """
    if isinstance(value, list | tuple):
        return [thawed(one) for one in value]
    if isinstance(value, Mapping):
        return {name: thawed(one) for name, one in value.items()}
    return value


def range_in_words(limits: Mapping[str, Any]) -> str:
    """Return the bounds of a setting as errors and `--help` say them, "" where there are none.

    Args:
        limits: a field's metadata, as `setting` makes it.

    Example:
        >>> range_in_words(setting(0.5, "a share", at_least=0, below=1).metadata)
        'at least 0 and below 1'
    """
    return " and ".join(f"{word} {limits[name]}" for name, word in _WORDS.items() if name in limits)


def _coerce(value: Any, hint: Any, argument: str, limits: Mapping[str, Any]) -> Any:
    if isinstance(hint, types.UnionType):
        return _coerce_union(value, typing.get_args(hint), argument, limits)
    if typing.get_origin(hint) is tuple:
        element = typing.get_args(hint)[0]
        if isinstance(value, str) or not isinstance(value, list | tuple):
            raise KactError.parameter(argument, value, f"a list of {_NOUNS[element]}s")
        return tuple(_coerce(item, element, argument, limits) for item in value)
    if hint is bool:
        if not isinstance(value, bool):
            raise KactError.parameter(argument, value, "true or false")
        return value
    if hint is str:
        if not isinstance(value, str):
            raise KactError.parameter(argument, value, "a string", choices=limits.get("choices", ()))
        if limits.get("choices", ()) and value not in limits.get("choices", ()):
            raise KactError.parameter(argument, value, "one of", choices=limits.get("choices", ()))
        return value
    if hint not in _NOUNS:  # a type that checks itself, such as a model
        return value
    return _number(value, hint, argument, limits)


def _coerce_union(value: Any, hints: tuple[Any, ...], argument: str, limits: Mapping[str, Any]) -> Any:
    if value is None and type(None) in hints:
        return None
    rest = [hint for hint in hints if hint is not type(None)]
    for hint in rest[:-1]:
        if isinstance(value, hint) and not isinstance(value, bool):
            return _coerce(value, hint, argument, limits)
    return _coerce(value, rest[-1], argument, limits)


def _number(value: Any, hint: type, argument: str, limits: Mapping[str, Any]) -> int | float:
    wanted = f"a {_NOUNS[hint]} {range_in_words(limits)}".rstrip()
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_finite(value):
        raise KactError.parameter(argument, value, wanted)
    if hint is int and value != int(value):
        raise KactError.parameter(argument, value, wanted)
    inside = (
        value >= limits.get("at_least", -math.inf)
        and value > limits.get("above", -math.inf)
        and value <= limits.get("at_most", math.inf)
        and value < limits.get("below", math.inf)
    )
    if not inside:
        raise KactError.parameter(argument, value, wanted)
    return hint(value)


_NOUNS = {int: "whole number", float: "number", str: "name"}
_WORDS = {"at_least": "at least", "above": "above", "at_most": "at most", "below": "below"}
