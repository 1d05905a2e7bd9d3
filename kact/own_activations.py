"""Activations of one's own, `package.module:function`: imported when this process names them, and not by a file alone.

>>> ask_for("math:erf")
>>> was_asked_for("math:erf"), was_asked_for("os:system")
(True, False)
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from kact.errors import KactError, nearest

# Own functions that this process' own code asked for. A saved model may run these; another one's name in a file is not
# enough, or opening a stranger's file could call any function of any installed package.
_ASKED_FOR: set[str] = set()


def ask_for(path: str) -> None:
    """Import one's own activation, and let saved models that apply it run it from now on.

    Raises:
        KactError: as `own_function`.
    """
    own_function(path)
    _ASKED_FOR.add(path)


def was_asked_for(path: str) -> bool:
    """Return whether this process' own code named a function."""
    return path in _ASKED_FOR


def own_function(path: str) -> Callable[[Any], Any]:
    """Import and return one's own activation: a function of one tensor that returns another of the same shape.

    Args:
        path: `package.module:function`.

    Raises:
        KactError: if the module or the function is not there, or is no function.

    Example:
        >>> own_function("math:erf")(0.0)
        0.0
    """
    module_name, _, function_name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        missing = getattr(error, "name", None) or module_name
        if isinstance(error, ModuleNotFoundError) and not f"{module_name}.".startswith(f"{missing}."):
            raise KactError(
                f"The module {module_name!r} of the 'activation' {path!r} needs {missing!r}, which is not installed.",
                f"Install {missing}, or do without it in {module_name!r}.",
            ) from error
        raise KactError(
            f"The 'activation' {path!r} needs the module {module_name!r}, which cannot be imported: {error}.",
            "Start from the folder that holds it, put that folder on PYTHONPATH, or install the package.",
        ) from error
    function = getattr(module, function_name, None)
    if function is None:
        guess = nearest(function_name, [name for name, value in vars(module).items() if _is_function(value)])
        meant = f" Did you mean {guess!r}?" if guess else ""
        raise KactError(
            f"The module {module_name!r} of the 'activation' {path!r} has no {function_name!r}.{meant}",
            "Write the name behind the colon as the module has it.",
        )
    if not _is_function(function):
        raise KactError.parameter("activation", path, "the path of a function of one tensor, not of a class or a value")
    return function


def _is_function(value: object) -> bool:
    return callable(value) and not isinstance(value, type)
