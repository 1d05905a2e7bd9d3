"""Specs: `name` or `name(key=literal, ...)`, the way activations, optimizers and schedules are written.

They are parsed with `ast` and never evaluated, after google-research/big_vision's preprocessing strings
(https://github.com/google-research/big_vision), and have one canonical spelling, so that equal settings hash alike.

>>> str(parse_spec("adam( beta_1 = 0.89 )", "optimizer"))
'adam(beta_1=0.89)'
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kact.errors import KactError

Literal = bool | int | float | str | None

_NAME = re.compile(r"[A-Za-z_]\w*")
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_CALLED = re.compile(rf"({_PATH.pattern})\s*(?=\()")
_LONGEST = 500  # characters; a spec is typed by hand


@dataclass(frozen=True)
class Spec:
    """A name with keyword options.

    Attributes:
        name: an identifier, or `package.module:function`.
        options: (key, value) pairs in the order in which they were written.
    """

    name: str
    options: tuple[tuple[str, Literal], ...] = ()

    def __str__(self) -> str:
        written = ", ".join(f"{key}={value!r}" for key, value in self.options)
        return f"{self.name}({written})" if written else self.name

    @property
    def is_path(self) -> bool:
        """Whether the name points at a function of the user's own."""
        return ":" in self.name


def parse_spec(text: str, argument: str) -> Spec:
    """Parse `name` or `package.module:function`, with or without `(key=literal, ...)` behind it.

    Args:
        text: the spec, at most 500 characters.
        argument: the parameter that it was given for, named in errors.

    Raises:
        KactError: if `text` is not of that form, a key comes twice, or a value is not a finite number, a boolean, a
            string or None.

    Example:
        >>> parse_spec("leaky_relu(negative_slope=0.002)", "activation")
        Spec(name='leaky_relu', options=(('negative_slope', 0.002),))
    """
    if not isinstance(text, str):
        raise _malformed(argument, text)
    stripped = text.strip()
    if len(stripped) > _LONGEST:
        raise _malformed(argument, f"{stripped[:40]}…")
    if _NAME.fullmatch(stripped) or _PATH.fullmatch(stripped):
        return Spec(stripped)
    path = _CALLED.match(stripped)  # which Python would take for a slice
    try:
        call = ast.parse(f"own{stripped[path.end() :]}" if path else stripped, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _malformed(argument, text) from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise _malformed(argument, text)
    options: dict[str, Literal] = {}
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in options:
            raise _malformed(argument, text)
        options[keyword.arg] = _literal(keyword.value, argument, text)
    return Spec(path[1] if path else call.func.id, tuple(options.items()))


def bind(spec: Spec, parameters: Mapping[str, Literal], argument: str) -> dict[str, Literal]:
    """Return the value of each parameter: the spec's where it gives one, else the default.

    Args:
        spec: what was asked for.
        parameters: each parameter's default; a float default takes any number, a bool default only a bool, and a
            None default takes a number or None.
        argument: the parameter that the spec was given for, named in errors.

    Raises:
        KactError: for a key that is not in `parameters`, or a value of another type than its default's.

    Example:
        >>> bind(parse_spec("elu(alpha=2)", "activation"), {"alpha": 1.0}, "activation")
        {'alpha': 2.0}
    """
    bound = dict(parameters)
    for key, value in spec.options:
        if key not in parameters:
            if not parameters:
                raise KactError(
                    f"The {argument!r} {spec.name!r} takes no parameters. Got {str(spec)!r} instead.",
                    f"Write just {spec.name}.",
                )
            raise KactError.parameter(
                argument, key, f"given as {spec.name!r} with parameters among", choices=parameters
            )
        bound[key] = _like(value, parameters[key], f"{argument} {spec.name}: {key}")
    return bound


def canonical(spec: Spec, parameters: Mapping[str, Literal], argument: str) -> Spec:
    """Return the one spelling of `spec`: parameters in their declared order, defaults left out.

    Example:
        >>> str(canonical(parse_spec("elu(alpha=1)", "activation"), {"alpha": 1.0}, "activation"))
        'elu'
    """
    bound = bind(spec, parameters, argument)
    return Spec(spec.name, tuple((key, value) for key, value in bound.items() if value != parameters[key]))


def choose(name: str, choices: Iterable[str], aliases: Mapping[str, str], argument: str, next_step: str = "") -> str:
    """Return the canonical name for `name`, or raise with the choices and the nearest match.

    Example:
        >>> choose("swish", ["relu", "silu"], {"swish": "silu"}, "activation")
        'silu'
    """
    names = list(choices)
    found = aliases.get(name, name) if isinstance(name, str) else name  # whatever a file says
    if found not in names:
        raise KactError.parameter(argument, name, "one of", choices=names, next_step=next_step)
    return found


def is_finite(value: int | float) -> bool:
    """Return whether a number is one that a float can hold.

    Example:
        >>> is_finite(1), is_finite(math.inf), is_finite(10**400)
        (True, False, False)
    """
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _malformed(argument: str, text: object) -> KactError:
    return KactError.parameter(
        argument, text, "a name, `name(key=value, ...)` with numbers or words as values, or `package.module:function`"
    )


def _literal(node: ast.expr, argument: str, text: str) -> Literal:
    if isinstance(node, ast.Name):  # a word without its quotes, which a shell may have eaten
        return node.id
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise _malformed(argument, text) from None
    if value is not None and not isinstance(value, bool | int | float | str):
        raise _malformed(argument, text)
    if isinstance(value, int | float) and not is_finite(value):
        raise _malformed(argument, text)
    return value


def _like(value: Literal, default: Literal, argument: str) -> Literal:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise KactError.parameter(argument, value, "True or False")
    if default is None:
        if value is None:
            return None
        if number:
            return float(value)
        raise KactError.parameter(argument, value, "a number or None")
    if isinstance(default, str):
        if isinstance(value, str):
            return value
        raise KactError.parameter(argument, value, "a string")
    if not number:
        raise KactError.parameter(argument, value, "a number")
    if isinstance(default, int):
        if isinstance(value, int):
            return value
        raise KactError.parameter(argument, value, "a whole number")
    return float(value) + 0.0  # type: ignore[arg-type]  # -0.0 becomes 0.0: equal settings are spelled alike
