"""Pooling: several studies, or plain runs, as one material; runs that differ in more than what is compared say so.

>>> fields = differing([{"activation": "relu", "epochs": 3}, {"activation": "elu", "epochs": 3}])
>>> list(fields)
['activation']
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kact.reports.material import Material
from kact.reports.numbers import field, in_words, key, listing, numeric
from kact.studies.row import ResultRow

SOURCE = "study"  # the factor that tells apart what nothing else does
_TASK = "task"
_FIRST = (_TASK, "activation")  # are named before what goes with them
_LATER = ("batch_norm",)  # follows from the model where nobody says
_LAST = ("data", "learning_rate")  # are what a person lets follow from the rest
_MOST_SHOWN = 4


def pool(materials: Sequence[Material]) -> Material:
    """Return several materials as one.

    The factors are the fields in which the compared runs differ. One that follows from the others (such as a learning
    rate chosen for each activation) is no factor: it is told as a remark, since no comparison can tell the two apart.
    The task always is one where it differs: scores on two tasks are never compared.

    Args:
        materials: studies, or runs that were never part of one.
    """
    rows, remarks, repeated = [], [one for material in materials for one in material.remarks], False
    seen: set[tuple[str, int]] = set()
    for material in materials:
        for row in material.compared:
            repeated |= (row.hash, row.seed) in seen
            seen.add((row.hash, row.seed))
            where = material.folders.get(row.path, row.path)  # paths within two studies may be alike
            rows.append((material.name, dataclasses.replace(row, path=str(where))))
    fields = differing([row.experiment for _, row in rows])
    described = [{name: values[i] for name, values in fields.items()} for i in range(len(rows))]
    if repeated:  # the same experiment in two of them: they are what there is to compare
        fields[SOURCE] = [name for name, _ in rows]
        described = [{**one, SOURCE: name} for one, (name, _) in zip(described, rows, strict=True)]
    compare = _compared(materials, fields, repeated)
    if compare not in fields:  # one experiment alone
        described = [
            {**one, compare: row.experiment.get(compare)} for one, (_, row) in zip(described, rows, strict=True)
        ]
    factors, followers = _independent(described, compare)
    confounded = [name for name in followers if not _goes_without_saying(name, described)]
    remarks += [_remark(name, described, compare) for name in confounded]
    kept = [
        dataclasses.replace(row, cell={name: cell.get(name) for name in factors})
        for cell, (_, row) in zip(described, rows, strict=True)
    ]
    scores = {material.score for material in materials}
    planned = [material.planned for material in materials]
    return Material(
        name=" and ".join(material.name for material in materials),
        title=listing([material.title or material.name for material in materials][:3]),
        rows=tuple(kept),
        factors={name: _values(name, kept) for name in factors},
        compare=compare,
        score=scores.pop() if len(scores) == 1 else "accuracy",
        notes=tuple(dict.fromkeys(note for material in materials for note in material.notes)),
        quick=any(material.quick for material in materials),
        planned=sum(one for one in planned if one is not None) if None not in planned else None,
        confounded=tuple(confounded),
        remarks=tuple(remarks),
        folders={str(folder): folder for one in materials for folder in one.folders.values()},
    )


def differing(experiments: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the fields, sizes of models among them, in which experiments differ: the value of each, by field.

    The seed is none of them, as runs are paired by it.
    """
    flat = [dict(_flat(one)) for one in experiments]
    names = dict.fromkeys(name for one in flat for name in one if name != "seed")
    columns = {name: [one.get(name) for one in flat] for name in names}
    return {name: values for name, values in columns.items() if len({key(value) for value in values}) > 1}


def _flat(experiment: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in experiment.items():
        if isinstance(value, Mapping):
            for size, one in value.items():
                yield (name if size == "name" else f"{name}.{size}"), one
        else:
            yield name, value


def _compared(materials: Sequence[Material], fields: Mapping[str, Any], repeated: bool) -> str:
    if repeated:
        return SOURCE
    asked = {material.compare for material in materials}
    if len(asked) == 1 and next(iter(asked)) in fields:
        return asked.pop()
    return "activation" if "activation" in fields or not fields else _by_weight(fields)[0]


def _independent(described: Sequence[Mapping[str, Any]], compare: str) -> tuple[list[str], list[str]]:
    """Return the fields that make cells, the compared one last, and those that follow from them."""
    kept = _by_weight({name for one in described for name in one})
    followers = []
    for name in reversed(kept.copy()):
        if name in (compare, _TASK):
            continue
        rest = [other for other in kept if other != name]
        if _follows(name, rest, described):
            kept.remove(name)
            followers.append(name)
    return [*(name for name in kept if name != compare), compare], followers


def _follows(name: str, rest: Sequence[str], described: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the other fields say what this one is in every run."""
    known: dict[str, str] = {}
    for one in described:
        others = key([one.get(other) for other in rest])
        if known.setdefault(others, key(one.get(name))) != key(one.get(name)):
            return False
    return True


def _goes_without_saying(name: str, described: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a field is the same in all runs of a task, or a model's size in all of that task and model."""
    return _follows(name, [_TASK, "model"] if "." in name else [_TASK], described)


def _by_weight(names: Any) -> list[str]:
    def weight(name: str) -> tuple[int, str]:
        order = (name in _FIRST, name not in (*_LATER, *_LAST) and "." not in name, name in _LATER, "." in name, True)
        return order.index(True), name

    return sorted(names, key=weight)


def _remark(name: str, described: Sequence[Mapping[str, Any]], compare: str) -> str:
    by_value: dict[str, set[str]] = {}
    for one in described:
        by_value.setdefault(in_words(one.get(compare)), set()).add(in_words(one.get(name)))
    told = [f"{' or '.join(sorted(values))} with {value}" for value, values in by_value.items()]
    more = f" and {len(told) - _MOST_SHOWN} more" if len(told) > _MOST_SHOWN else ""
    return (
        f"The runs differ in {field(name)} too: {', '.join(told[:_MOST_SHOWN])}{more}."
        f" What comes of that and what of {field(compare)} cannot be told apart."
    )


def _values(name: str, rows: Sequence[ResultRow]) -> tuple[Any, ...]:
    """Return a factor's values: numbers by size, others as they come."""
    found = {key(row.cell.get(name)): row.cell.get(name) for row in rows}
    values = list(found.values())
    return tuple(sorted(values) if numeric(values) else values)
