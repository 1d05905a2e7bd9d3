"""Activations of one's own, `package.module:function`: imported when this process names them, and not by a file alone.

>>> ask_for("math:erf")
>>> was_asked_for("math:erf"), was_asked_for("os:system")
(True, False)
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kact.errors import KactError
from kact.own_code import KIND, imported
from kact.spec import Spec, canonical, parse_spec

if TYPE_CHECKING:
    import numpy as np

_Values = list[float | None]

# Own functions that this process' own code asked for. A saved model may run these; another one's name in a file is not
# enough, or opening a stranger's file could call any function of any installed package.
_ASKED_FOR: set[str] = set()
_SHAPES = ((3, 11), (1, 3, 11), (1, 3, 11, 1))  # as dense layers, taggers and convolutions have them
_NEAR = 1e-3  # what backends and devices may differ by


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
    """Import and return one's own activation: a function of a tensor that returns another of the same shape.

    Args:
        path: `package.module:function`.

    Raises:
        KactError: if the module or the function is not there, or is no function.

    Example:
        >>> own_function("math:erf")(0.0)
        0.0
    """
    function: Callable[[Any], Any] = imported(
        path, "activation", _is_function, "a function of one tensor, not of a class or a value"
    )
    return function


def parameters_of(path: str) -> dict[str, int | float]:
    """Return the parameters of one's own activation and their defaults: its arguments that have a number for one.

    Args:
        path: `package.module:function`.

    Raises:
        KactError: as `own_function`, or if it needs more than one argument.

    Example:
        >>> parameters_of("math:erf")
        {}
    """
    try:
        arguments = inspect.signature(own_function(path)).parameters.values()
    except ValueError:  # of some functions written in C nothing is known
        return {}
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [one for one in arguments if one.default is one.empty and one.kind in (*positional, one.KEYWORD_ONLY)]
    if len(needed) > 1:
        raise KactError(
            f"The 'activation' {path!r} needs {len(needed)} arguments: {', '.join(one.name for one in needed)}.",
            f"Give all but the tensor a default, such as `{needed[1].name}=1.0`.",
            kind=KIND,
        )
    named = [one for one in arguments if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    return {one.name: one.default for one in named if _is_number(one.default)}


def canonical_own(spec: Spec) -> Spec:
    """Return the one spelling of one's own activation: defaults left out, whole numbers whole where the default is.

    Raises:
        KactError: as `parameters_of`, or for a parameter that it has not.

    Example:
        >>> str(canonical_own(Spec("math:erf")))
        'math:erf'
    """
    defaults = parameters_of(spec.name)
    found = canonical(spec, {name: float(value) for name, value in defaults.items()}, "activation")
    whole = {name for name, value in defaults.items() if isinstance(value, int)}
    options = [
        (name, int(value) if name in whole and isinstance(value, float) and value.is_integer() else value)
        for name, value in found.options
    ]
    return Spec(found.name, tuple(options))


def values_of(spec: str) -> list[float | None]:
    """Return what one's own activation makes of 33 numbers from -8 to 8, by which a run knows it again.

    Args:
        spec: of any activation.

    Returns:
        Its values, None for what is no finite number; nothing for an activation of kact's, or for one that draws.

    Raises:
        KactError: if it cannot be applied to a tensor, or does not return one of the same shape.
    """
    once, twice, _ = _tried(spec)
    return once if alike(once, twice) else []


def mixes_examples(spec: str) -> bool:
    """Return whether one's own activation makes something else of an example when others are beside it in the batch.

    Args:
        spec: of any activation; kact's do not, and of one that draws it cannot be told.

    Raises:
        KactError: as `values_of`.
    """
    once, twice, beside = _tried(spec)
    return alike(once, twice) and not alike(once, beside)


def probed_numbers() -> list[float]:
    """Return the 33 numbers that an activation is tried on, from -8 to 8."""
    count = math.prod(_SHAPES[0])
    return [-8 + 16 * number / (count - 1) for number in range(count)]


def alike(first: Sequence[float | None], second: Sequence[float | None]) -> bool:
    """Return whether two lists of values are of one function, as far as backends and devices agree on it.

    Example:
        >>> alike([0.0, 1.0, None], [0.0, 1.00001, None]), alike([0.0, 1.0], [0.0, 0.1])
        (True, False)
    """
    return len(first) == len(second) and all(
        a is b is None or (a is not None and b is not None and math.isclose(a, b, rel_tol=_NEAR, abs_tol=_NEAR))
        for a, b in zip(first, second, strict=True)
    )


def unchanged(before: Sequence[float | None], now: Sequence[float | None]) -> bool:
    """Return whether nothing speaks against that an activation is what it was; no values tell nothing."""
    return not before or not now or alike(before, now)


def _tried(spec: str) -> tuple[_Values, _Values, _Values]:
    """Return what one's own activation makes of the probed numbers, of them again, and of them with others beside."""
    import numpy as np

    parsed = parse_spec(spec, "activation")
    if not parsed.is_path:
        return [], [], []
    function, refusal = functools.partial(own_function(parsed.name), **dict(parsed.options)), None
    for shape in _SHAPES:
        numbers = np.array(probed_numbers(), np.float32).reshape(shape)
        try:
            once, twice = (_applied(spec, function, numbers) for _ in range(2))
            beside = _applied(spec, function, np.concatenate([numbers, numbers / 2 + 1]))
        except KactError as error:  # it may be of maps alone
            refusal = refusal or error
        else:
            return once, twice, beside[: len(once)]
    raise refusal or AssertionError(spec)


def _applied(spec: str, function: Callable[[Any], Any], numbers: np.ndarray) -> _Values:
    import keras

    shape = numbers.shape
    given = keras.ops.convert_to_tensor(keras.Variable(numbers, dtype="float32"))  # one whose gradient is wanted
    try:
        found = function(given)
    except Exception as error:  # of whatever kind: it is somebody's own code
        said = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise KactError(
            f"The 'activation' {spec!r} cannot be applied to a tensor: {said.rstrip('.')}.",
            "Write it with keras.ops, which all backends have and differentiate; NumPy and math do not.",
            kind=KIND,
        ) from error
    if not keras.ops.is_tensor(found) or tuple(found.shape) != shape:
        what = f"one of shape {tuple(found.shape)}" if keras.ops.is_tensor(found) else f"a {type(found).__name__}"
        raise KactError(
            f"The 'activation' {spec!r} makes {what} of a tensor of shape {shape}.",
            "It has to return a tensor of the same shape, made with keras.ops.",
            kind=KIND,
        )
    values = keras.ops.convert_to_numpy(found).astype(float).ravel().tolist()
    return [value if math.isfinite(value) else None for value in values]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_function(value: object) -> bool:
    return callable(value) and not isinstance(value, type)
