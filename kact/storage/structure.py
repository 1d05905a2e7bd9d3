"""Structure: what a file of plain values must hold before it is believed, said once as a picture of it.

In such a picture a type stands for a value of it (float for any number; bool is none), None for nothing, a list for a
list of as many as there are, a table for its keys, of which "key?" may be missing, and `{str: ...}` for a table of any
keys. A tuple of pictures is any of them.

>>> fault({"epochs": 3, "train": {"loss": "low"}}, {"epochs": int, "train": ({"loss": float}, None), "test?": str})
"train.loss is 'low', not a number"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kact.errors import shown

_WORDS = {
    object: "anything",
    float: "a number",
    int: "a whole number",
    str: "a text",
    bool: "true or false",
    None: "nothing",
}
_SHOWN = 40  # characters of a key that are told


def fault(value: Any, picture: Any, where: str = "") -> str:
    """Return what is wrong with a value in words, or "" where it is as its picture.

    Args:
        value: of JSON or TOML.
        picture: what it must be.
        where: its name, as words begin; "" for the whole.
    """
    if isinstance(picture, Mapping):
        return _table_fault(value, picture, where)
    if isinstance(picture, list):
        if not isinstance(value, list | tuple):
            return _said(value, where, "a list")
        found = (fault(one, picture[0], f"{where}[{i}]") for i, one in enumerate(value))
        return next((one for one in found if one), "")
    if isinstance(picture, tuple):
        faults = [fault(value, one, where) for one in picture]
        return "" if "" in faults else faults[0]
    return "" if _is(value, picture) else _said(value, where, _WORDS[picture])


def _table_fault(value: Any, picture: Mapping[Any, Any], where: str) -> str:
    if not isinstance(value, Mapping):
        return _said(value, where, "a table")
    prefix = f"{where}." if where else ""
    if str in picture:
        found = (fault(one, picture[str], f"{prefix}{str(name)[:_SHOWN]}") for name, one in value.items())
        return next((one for one in found if one), "")
    for key, part in picture.items():
        name = key.removesuffix("?")
        if name in value:
            if said := fault(value[name], part, f"{prefix}{name}"):
                return said
        elif name == key:
            return f"{prefix}{name} is missing"
    return ""


def _is(value: Any, kind: Any) -> bool:
    if kind is None:
        return value is None
    if isinstance(value, bool):
        return kind in (bool, object)
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)


def _said(value: Any, where: str, wanted: str) -> str:
    return f"{where or 'it'} is {shown(value)}, not {wanted}"
