"""What was chosen on validation before anything was compared, and how near the next best candidate came.

>>> at_edge([0.1, 0.01, 0.001], 0.1), at_edge([0.1, 0.01, 0.001], 0.01)
(True, False)
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from kact.reports.material import Material
from kact.reports.numbers import Unit, field, in_words, key, numeric
from kact.reports.tables import Table
from kact.wording import counted


def tuned(material: Material) -> Table | None:
    """Return what was chosen on validation for each value, beside the next best; None where nothing was tuned."""
    if not material.tuned:
        return None
    groups: dict[str, tuple[Any, ...]] = {}
    for cell in material.cells():
        values = (cell.value, *(cell.settings[name] for name in material.within))
        groups.setdefault(key(values), values)
    rows = [_row(material, values, material.chosen.get(group)) for group, values in groups.items()]
    chosen_names = [f"chosen {field(name)}" for name in material.tuned]
    score = Unit.of(_monitor(material)).header(f"validation {field(_monitor(material))}")
    columns = (field(material.compare), *map(field, material.within), *chosen_names, score, "next best", "remark")
    tried = [f"{field(name)} {', '.join(map(in_words, values))}" for name, values in material.tuned.items()]
    length = f", in runs of {counted(material.tuned_epochs, 'epoch')}" if material.tuned_epochs else ""
    seeds = len({row.seed for row in material.rows if row.stage == "tune"})
    note = (
        f"Chosen by the validation score of {'one seed' if seeds == 1 else f'{seeds} seeds'}, which"
        f" {'takes' if seeds == 1 else 'take'} no part in the comparison{length}. Tried: {'; '.join(tried)}."
        " Where the next best is near, chance may have chosen, and what it chose is compared."
    )
    if any(row[-1] for row in rows):
        note += " More values can be added to [tune] in the study's file: the same command runs what is missing."
    return Table("Chosen on validation, before the comparison", columns, tuple(rows), 1 + len(material.within), note)


def at_edge(candidates: Sequence[Any], chosen: Any) -> bool:
    """Return whether the least or the largest of at least three numbers was chosen: a better one may lie beyond."""
    return numeric(candidates) and len(candidates) > 2 and chosen in (min(candidates), max(candidates))


def _row(material: Material, values: tuple[Any, ...], chosen: Mapping[str, Any] | None) -> tuple[str, ...]:
    settings = [in_words(chosen[name]) if chosen else "none could be chosen" for name in material.tuned]
    edge = [name for name in material.tuned if chosen and at_edge(material.tuned[name], chosen[name])]
    remark = f"at the edge of what was tried: {', '.join(map(field, edge))}" if edge else ""
    unit, scores = Unit.of(_monitor(material)), _scores(material, values)
    _, own = scores.pop(key(tuple(chosen[name] for name in material.tuned)), ("", None)) if chosen else ("", None)
    sign = -1 if _monitor(material) == "loss" else 1
    best = max(scores.values(), key=lambda one: sign * one[1]) if scores and chosen else None
    beside = "" if best is None else f"{best[0]}: {unit.text(best[1])}"
    return (*map(in_words, values), *settings, unit.text(own), beside, remark)


def _scores(material: Material, values: tuple[Any, ...]) -> dict[str, tuple[str, float]]:
    """Return each candidate of which no run failed, in words, and its mean validation score for one compared value."""
    found: dict[str, tuple[str, list[float | None]]] = {}
    for row in material.rows:
        own = tuple(row.cell.get(name) for name in (material.compare, *material.within))
        if row.stage == "tune" and key(own) == key(values):
            candidate = tuple(row.cell.get(name) for name in material.tuned)
            score = row.score("validation", _monitor(material)) if row.status == "finished" else None
            found.setdefault(key(candidate), (", ".join(map(in_words, candidate)), []))[1].append(score)
    means, most = {}, max((len(scores) for _, scores in found.values()), default=0)
    for name, (words, scores) in found.items():
        whole = [one for one in scores if one is not None]
        if len(whole) == most:  # of a study under way some runs are still to come
            means[name] = words, statistics.fmean(whole)
    return means


def _monitor(material: Material) -> str:
    return next(
        (str(row.experiment.get("monitor", "accuracy")) for row in material.rows if row.stage == "tune"), "accuracy"
    )
