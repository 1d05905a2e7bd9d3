"""Figures over settings: heat maps of two factors, sensitivity to one, and what tuning saw on validation.

>>> from kact.reports.findings import findings
>>> from kact.reports.material import Material
>>> tuning(findings(Material("none", (), {"activation": ()})))
[]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kact import stats
from kact.plots.scores import PlottedMean
from kact.reports.choices import monitor
from kact.reports.findings import Findings
from kact.reports.illustration import Illustration, axis, told
from kact.reports.numbers import Unit, field, in_words, key, numeric
from kact.reports.score_figures import estimate
from kact.studies.row import ResultRow
from kact.studies.tune import steady_scores

MOST_LINES = 12
_MOST_PANELS = 6


def heat_map(found: Findings, rows: str, columns: str) -> list[Illustration]:
    """Draw the mean score over two factors, a panel for each combination of the others, and the seconds of the first.

    Args:
        found: what is drawn.
        rows, columns: names of factors.
    """
    from kact import plots

    factors = found.material.factors
    down, across = ([key(value) for value in factors[name]] for name in (rows, columns))
    panels: dict[str, np.ndarray] = {}
    times = np.full((len(down), len(across)), np.nan)
    for place in found.places:
        for cell in place.cells:
            values = {**cell.others, found.material.compare: cell.value}
            rest = ", ".join(f"{field(n)} {in_words(v)}" for n, v in values.items() if n not in (rows, columns))
            at = down.index(key(values[rows])), across.index(key(values[columns]))
            panel = panels.setdefault(rest, np.full((len(down), len(across)), np.nan))
            panel[at] = found.unit.scale * place.summaries[cell.name].estimate
            if cell.seconds():
                times[at] = float(np.median(cell.seconds()))
    panels = {rest: panel for rest, panel in panels.items() if np.isfinite(panel).any()}
    if not panels:
        return []
    shown = {rest or axis(found): panel for rest, panel in list(panels.items())[:_MOST_PANELS]}
    if len(panels) == 1 and np.isfinite(times).any():
        shown["training, s"] = times
    first = next(iter(panels.values()))
    best = np.unravel_index(int(np.nanargmax(first if found.material.higher_is_better else -first)), first.shape)
    names = [[in_words(value) for value in factors[name]] for name in (rows, columns)]
    figure = plots.heat_maps(shown, *names, y=field(rows), x=field(columns))
    left = "" if len(panels) <= _MOST_PANELS else f" Drawn are the first {_MOST_PANELS} of {len(panels)} combinations."
    alt = (
        f"Heat map of mean {axis(found)} over {field(rows)} and {field(columns)}. The best of the first panel is"
        f" {first[best]:.1f} at {field(rows)} {names[0][best[0]]} and {field(columns)} {names[1][best[1]]}."
    )
    caption = f"Means over seeds, {axis(found)}; each panel has its own scale; a dash is a cell without a score.{left}"
    title = f"{field(rows)} and {field(columns)}".capitalize()
    return [Illustration(f"heat_map_{rows}_{columns}", title, caption, alt, figure)]


def sensitivity(found: Findings, setting: str) -> list[Illustration]:
    """Draw the score over one numeric factor, a line for each combination of the others.

    Args:
        found: what is drawn.
        setting: the factor's name.
    """
    from kact import plots

    lines: dict[str, dict[float, PlottedMean]] = {}
    for place in found.places:
        for cell in place.cells:
            one = estimate(found, place, cell)
            values = {**cell.others, found.material.compare: cell.value}
            if one is not None:
                lines.setdefault(_rest(found, values, setting), {})[float(values[setting])] = one
    if not lines:
        return []
    sign = -1 if found.material.higher_is_better else 1
    peaks = {name: min((sign * one.mean, value) for value, one in line.items()) for name, line in lines.items()}
    shown = sorted(lines, key=lambda name: peaks[name][0])[:MOST_LINES]
    ordered = {name: line for name, line in lines.items() if name in shown}
    best = [(name or "the best", f"{sign * peaks[name][0]:.1f} at {peaks[name][1]:g}") for name in ordered]
    left = (
        "" if len(lines) <= MOST_LINES else f" Drawn are {MOST_LINES} of {len(lines)} lines, those with the best peaks."
    )
    caption = f"Means over seeds with 95 % intervals, at even steps, moved a little sideways to be seen.{left}"
    alt = f"{axis(found).capitalize()} over {field(setting)}. The peaks: {told(best)}."
    figure = plots.sensitivity(ordered, x=field(setting), y=axis(found), order=found.material.names)
    title = f"Sensitivity to the {field(setting)}"
    return [Illustration(f"sensitivity_{setting}", title, caption, alt, figure)]


def tuning(found: Findings) -> list[Illustration]:
    """Draw each candidate's validation score that chose, a line a compared value; what was chosen is ringed."""
    from kact import plots

    material, score = found.material, monitor(found.material)
    unit, drawn = Unit.of(score), []
    for setting in [name for name, values in material.tuned.items() if numeric(values) and len(values) > 1]:
        runs: dict[str, dict[float, list[ResultRow]]] = {}
        chosen: dict[str, float] = {}
        for row in material.rows:
            if row.stage != "tune":
                continue
            values = [row.cell[material.compare], *(row.cell[name] for name in material.within)]
            line = ", ".join(map(in_words, values))
            runs.setdefault(line, {}).setdefault(float(row.cell[setting]), []).append(row)
            settings = material.chosen.get(key(values))
            if settings:
                chosen[line] = float(settings[setting])
        lines = {
            name: {value: one for value, rows in by_value.items() if (one := _validated(rows, score)) is not None}
            for name, by_value in list(runs.items())
        }
        lines = {name: line for name, line in lines.items() if line}
        if not lines:
            continue
        y, order = unit.header(f"validation {field(score)}"), material.names
        figure = plots.sensitivity(lines, x=field(setting), y=y, chosen=chosen, order=order)
        alt = f"Validation score over the {field(setting)}. Chosen: {told((n, f'{v:g}') for n, v in chosen.items())}."
        caption = (
            "Validation scores of the tuning runs, with 95 % intervals where there are several; ringed: the choice."
        )
        title = f"Choice of the {field(setting)}"
        drawn.append(Illustration(f"tuning_{setting}", title, caption, alt, figure))
    return drawn


def _rest(found: Findings, values: dict[str, Any], setting: str) -> str:
    compare = found.material.compare
    parts = [in_words(values[compare])] if compare != setting else []
    parts += [f"{field(name)} {in_words(one)}" for name, one in values.items() if name not in (setting, compare)]
    return ", ".join(parts)


def _validated(rows: Sequence[ResultRow], score: str) -> PlottedMean | None:
    scores = [steady_scores(row).get(score) for row in rows]
    kept = [Unit.of(score).scale * one for one in scores if one is not None]
    one = stats.mean_interval(kept)
    low, high = one.interval or (math.nan, math.nan)
    return PlottedMean(one.estimate, low, high, tuple(kept)) if kept else None
