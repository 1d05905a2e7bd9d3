"""Which figures a page has, and drawing them: those that a study asks for, otherwise those that its factors call for.

>>> sorted(FIGURES)[:3]
['bars', 'confusion', 'critical_difference']
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kact.errors import KactError
from kact.reports import epoch_figures, score_figures, setting_figures
from kact.reports.findings import Findings
from kact.reports.illustration import Illustration
from kact.reports.numbers import numeric
from kact.spec import choose

FIGURES: dict[str, Callable[..., list[Illustration]]] = {
    "bars": score_figures.bars,
    "curves": epoch_figures.curves,
    "loss_curves": epoch_figures.loss_curves,
    "errors": epoch_figures.errors,
    "heat_map": setting_figures.heat_map,
    "sensitivity": setting_figures.sensitivity,
    "tuning": setting_figures.tuning,
    "loss_scatter": score_figures.loss_scatter,
    "seconds": score_figures.seconds,
    "confusion": score_figures.confusion,
    "feature_maps": score_figures.feature_maps,
    "critical_difference": score_figures.critical_difference,
}
_FACTORS = {"heat_map": 2, "sensitivity": 1}  # how many a figure's name is followed by
_LEAST = 3  # values of a factor that make a line or a side of a heat map


def draw(found: Findings) -> tuple[list[Illustration], list[str]]:
    """Return the figures of a page, and in words what could not be drawn and what to do about it.

    Raises:
        KactError: if the study asks for a figure or a factor that is not there.
    """
    import matplotlib

    drawn: list[Illustration] = []
    missing: list[str] = []
    for asked in found.material.figures or choice(found):
        name, arguments = parse(found, asked)
        try:
            with matplotlib.rc_context({"text.parse_math": False}):  # a dollar in a label is a dollar
                made = FIGURES[name](found, *arguments)
        except KactError as error:  # an extra that is not installed, maps that nobody drew: the rest of the page stands
            missing.append(str(error).replace("\n", " "))
            continue
        if not made and found.material.figures:
            missing.append(f"The figure {asked!r} was asked for, and these runs have nothing to draw in it.")
        drawn += made
    return drawn, missing


def parse(found: Findings, asked: str) -> tuple[str, list[str]]:
    """Return a figure's name and the factors behind it, such as ("heat_map", ["depth", "width"]).

    Raises:
        KactError: if there is no such figure or factor.
    """
    first, *arguments = asked.split(":")
    name = choose(first, FIGURES, {}, "figures")
    wanted = _FACTORS.get(name, 0)
    if len(arguments) != wanted:
        expected = ":".join([name, *["FACTOR"] * wanted])
        raise KactError.parameter("figures", asked, expected)
    for factor in arguments:
        choose(factor, found.material.factors, {}, "figures")
    if name == "sensitivity" and not numeric(found.material.factors[arguments[0]]):
        raise KactError.parameter("figures", asked, "over a factor whose values are numbers")
    return name, arguments


def choice(found: Findings) -> list[str]:
    """Return the figures that the factors call for, in the order of a page."""
    material = found.material
    cells = sum(len(place.cells) for place in found.places)
    several: dict[str, tuple[Any, ...]] = {name: values for name, values in material.factors.items() if len(values) > 1}
    numbers = [name for name, values in several.items() if len(values) >= _LEAST and numeric(values)]
    wide = sorted((name for name, values in several.items() if len(values) >= _LEAST), key=numbers.count, reverse=True)
    chosen = ["bars"] if cells <= score_figures.MOST_BARS else []
    if material.others == ["task"]:
        chosen.append("critical_difference")
    if len(wide) > 1 and cells > 2 * _LEAST:
        chosen.append(f"heat_map:{wide[0]}:{wide[1]}")
    if material.tuned:
        chosen.append("tuning")
    chosen += [f"sensitivity:{name}" for name in numbers]
    chosen += ["curves", "loss_curves", "errors", "loss_scatter"]
    if set(material.others) <= {"batch_norm"}:  # times of other settings would be of other work
        chosen.append("seconds")
    return [*chosen, "confusion"]
