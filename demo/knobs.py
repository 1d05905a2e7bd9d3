"""Activations as they are typed and turned: which specs the page draws, and a slider for each of their parameters.

>>> safe_spec("hard_swish")
'hard_silu'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kact import KactError, activations

MOST_CURVES = 5  # that are compared at once


def safe_spec(spec: object) -> str:
    """Return the canonical spelling of an activation of the table, or of a function that a run of the page uses.

    Another `package.module:function` is refused: naming it would import a stranger's.

    Raises:
        KactError: for that, or an unusable spec.
    """
    if not isinstance(spec, str) or len(spec) > 200:
        raise KactError("An activation is a name, such as mish or elu(alpha=2).")
    if ":" in spec and not activations.was_asked_for(spec):
        raise KactError("The page draws the activations of its list only, not functions of somebody's own.")
    return activations.canonical_spec(spec)


@dataclass(frozen=True)
class Knob:
    """A slider for one parameter of one activation.

    Attributes:
        spec: the activation, as it is now.
        parameter: its name.
        value: as it is now.
        low, high: what the slider goes through; every value in between is usable.
    """

    spec: str
    parameter: str
    value: float
    low: float
    high: float


def knobs(specs: Sequence[str]) -> list[Knob]:
    """Return a slider for each parameter of each activation.

    >>> [(one.parameter, one.low, one.high) for one in knobs(["rrelu", "mish", "elu(alpha=9)"])]
    [('lower', 0.0, 0.3333333333333333), ('upper', 0.125, 1.0), ('alpha', 0.01, 9.0)]
    """
    found = []
    for name in dict.fromkeys(safe_spec(spec) for spec in specs[:MOST_CURVES]):
        record, parameters = activations.resolve(name)
        for parameter, value in parameters.items():
            tried = [0.0, 0.01, 0.05, 1 / 8, 1 / 3, 0.5, 0.99, 1.0, 2.0, 4.0, value]
            usable = [one for one in tried if _holds(record, {**parameters, parameter: one})]
            found.append(Knob(name, parameter, value, min(usable), max(usable)))
    return found


def _holds(record: activations.Activation, parameters: Mapping[str, float]) -> bool:
    return all(condition(parameters) for condition in record.conditions.values())


def turned(specs: Sequence[str], knob: Knob, value: float) -> list[str]:
    """Return the specs with one parameter of one of them changed.

    >>> turned(["relu", "elu"], knobs(["elu"])[0], 0.5)
    ['relu', 'elu(alpha=0.5)']
    """
    name = knob.spec.partition("(")[0]
    _, parameters = activations.resolve(knob.spec)
    written = ", ".join(f"{key}={one!r}" for key, one in {**parameters, knob.parameter: float(value)}.items())
    changed = safe_spec(f"{name}({written})")
    return [changed if safe_spec(one) == knob.spec else safe_spec(one) for one in specs]
