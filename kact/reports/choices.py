"""What was chosen on validation before anything was compared, and how near the next best candidate came.

>>> at_edge([0.1, 0.01, 0.001], 0.1), at_edge([0.1, 0.01, 0.001], 0.01)
(True, False)
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from kact import stats
from kact.reports.material import Material
from kact.reports.numbers import Unit, field, in_words, key, numeric
from kact.reports.tables import Table
from kact.studies.tune import steady_scores
from kact.wording import counted

_EDGE = "at the edge of what was tried"
_MOST_TOLD = 12  # values in one line


def tuned(material: Material) -> Table | None:
    """Return what was chosen on validation for each value, beside the next best; None where nothing was tuned."""
    if not material.tuned:
        return None
    rows = [_row(material, values, material.chosen.get(group)) for group, values in _groups(material).items()]
    chosen_names = [f"chosen {field(name)}" for name in material.tuned]
    score = Unit.of(monitor(material)).header(f"validation {field(monitor(material))}")
    columns = (field(material.compare), *map(field, material.within), *chosen_names, score, "next best", "remark")
    tried = [f"{field(name)} {', '.join(map(in_words, values))}" for name, values in material.tuned.items()]
    length = f", in runs of {counted(material.tuned_epochs, 'epoch')}" if material.tuned_epochs else ""
    seeds = len({row.seed for row in material.rows if row.stage == "tune"})
    note = (
        f"Chosen by the validation score of {'one seed' if seeds == 1 else f'{seeds} seeds'}, which"
        f" {'takes' if seeds == 1 else 'take'} no part in the comparison{length}; the score is the mean over the best"
        f" quarter of the epochs, as the best epoch alone flatters curves that jump. Tried: {'; '.join(tried)}."
        " Where the next best is near, chance may have chosen, and what it chose is compared."
    )
    if any(_EDGE in row[-1] for row in rows):
        note += " More values can be added to [tune] in the study's file: the same command runs what is missing."
    return Table("Chosen on validation, before the comparison", columns, tuple(rows), 1 + len(material.within), note)


def in_a_line(material: Material) -> str:
    """Return what was chosen for each value in one line; "" where nothing was, or it would be more than a line."""
    groups = _groups(material)
    if len(material.tuned) != 1 or material.within or len(groups) > _MOST_TOLD:
        return ""
    (name,) = material.tuned
    if len(material.tuned[name]) == 1:
        return f"One {field(name)} for all, {in_words(material.tuned[name][0])}: there was nothing to choose from."
    told = []
    for group, values in groups.items():
        chosen = material.chosen.get(group)
        edge = " (the edge of what was tried)" if chosen and at_edge(material.tuned[name], chosen[name]) else ""
        told.append(
            f"{in_words(values[0])} {in_words(chosen[name])}{edge}" if chosen else f"{in_words(values[0])} none"
        )
    return f"The {field(name)} chosen for each on validation: {', '.join(told)}."


def near(material: Material) -> list[str]:
    """Return the values whose next best candidate was within one standard error of the chosen one on validation."""
    found = []
    for group, values in _groups(material).items():
        chosen = material.chosen.get(group)
        if chosen and _is_near(material, *_best_two(material, values, chosen)):
            found.append(", ".join(map(in_words, values)))
    return found


def at_edge(candidates: Sequence[Any], chosen: Any) -> bool:
    """Return whether the least or the largest of at least three numbers was chosen: a better one may lie beyond."""
    return numeric(candidates) and len(candidates) > 2 and chosen in (min(candidates), max(candidates))


def monitor(material: Material) -> str:
    """Return the validation score that settings were chosen by, "accuracy" or "loss", whatever is compared on test."""
    return next(
        (str(row.experiment.get("monitor", "accuracy")) for row in material.rows if row.stage == "tune"), "accuracy"
    )


def _row(material: Material, values: tuple[Any, ...], chosen: Mapping[str, Any] | None) -> tuple[str, ...]:
    settings = [in_words(chosen[name]) if chosen else "none could be chosen" for name in material.tuned]
    edge = [name for name in material.tuned if chosen and at_edge(material.tuned[name], chosen[name])]
    unit, (own, best) = Unit.of(monitor(material)), _best_two(material, values, chosen)
    remarks = [f"{_EDGE}: {', '.join(map(field, edge))}"] if edge else []
    if _is_near(material, own, best):
        remarks.append("the next best is within a standard error")
    beside = "" if best is None else f"{best[0]}: {unit.text(best[1])}"
    return (*map(in_words, values), *settings, unit.text(own), beside, "; ".join(remarks))


def _groups(material: Material) -> dict[str, tuple[Any, ...]]:
    """Return the values for each of which one choice was made, by their key."""
    found: dict[str, tuple[Any, ...]] = {}
    for cell in material.cells():
        values = (cell.value, *(cell.settings[name] for name in material.within))
        found.setdefault(key(values), values)
    return found


def _best_two(
    material: Material, values: tuple[Any, ...], chosen: Mapping[str, Any] | None
) -> tuple[float | None, tuple[str, float] | None]:
    """Return the score of what was chosen for one compared value, and the next best candidate in words with its own."""
    if not chosen:
        return None, None
    scores = _scores(material, values)
    _, own = scores.pop(key(tuple(chosen[name] for name in material.tuned)), ("", None))
    sign = -1 if monitor(material) == "loss" else 1
    return own, max(scores.values(), key=lambda one: sign * one[1]) if scores else None


def _is_near(material: Material, own: float | None, best: tuple[str, float] | None) -> bool:
    """Return whether other validation examples may have chosen the next best: they are within a standard error."""
    scored = [(row.metrics or {}).get("validation") for row in material.rows if row.stage == "tune"]
    sizes = [one["examples"] for one in scored if one]
    if own is None or best is None or not sizes or monitor(material) != "accuracy":
        return False
    return abs(own - best[1]) <= stats.binomial_standard_error(own, min(sizes))


def _scores(material: Material, values: tuple[Any, ...]) -> dict[str, tuple[str, float]]:
    """Return each candidate of which no run failed, in words, and its mean validation score for one compared value."""
    found: dict[str, tuple[str, list[float | None]]] = {}
    for row in material.rows:
        own = tuple(row.cell.get(name) for name in (material.compare, *material.within))
        if row.stage == "tune" and key(own) == key(values):
            candidate = tuple(row.cell.get(name) for name in material.tuned)
            score = steady_scores(row).get(monitor(material))
            found.setdefault(key(candidate), (", ".join(map(in_words, candidate)), []))[1].append(score)
    means, most = {}, max((len(scores) for _, scores in found.values()), default=0)
    for name, (words, scores) in found.items():
        whole = [one for one in scores if one is not None]
        if len(whole) == most:  # of a study under way some runs are still to come
            means[name] = words, statistics.fmean(whole)
    return means
