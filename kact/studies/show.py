"""A study in words, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kact.settings import thawed
from kact.stats import seeds_for_sign_flip
from kact.studies.factors import cell_in_words
from kact.studies.probe import StudyCost
from kact.studies.study import Study
from kact.wording import counted, duration


def describe(study: Study) -> str:
    """Return what a study is and how many runs it has.

    Example:
        >>> print(describe(Study(name="mine", grid={"activation": ["relu", "elu"]}, seeds=2)))
        mine
        compares activation by test accuracy, 2 seeds
        2 seeds are few: the sign-flip test needs 6 to show any difference among 2 values; a paired t-test stands in
          activation: relu, elu
        2 cells, 4 runs
    """
    quick = ", quick form" if study.quick else ""
    lines = [
        f"{study.name}{f' ({study.study})' if study.study else ''}{f': {study.title}' if study.title else ''}{quick}"
    ]
    lines += [line for line in (study.source, study.question) if line]
    lines.append(f"compares {study.compare} by test {study.score}, {counted(len(study.seeds), 'seed')}")
    if few := few_seeds(study):
        lines.append(few)
    lines += [
        f"  {name}: {', '.join(str(thawed(value)) for value in values)}" for name, values in study.factors.items()
    ]
    if study.tune is not None:
        within = f", within each {', '.join(study.tune.within)}" if study.tune.within else ""
        within += f", in runs of {counted(study.tune.epochs, 'epoch')}" if study.tune.epochs else ""
        for name, values in study.tune.grid.items():
            lines.append(
                f"  {name} of each {study.compare} chosen on validation{within}: {', '.join(map(str, values))}"
            )
    lines += [f"  {note}" for note in study.notes]
    tuning = f"{counted(study.run_count('tune'), 'run')} of tuning, then " if study.tune else ""
    lines.append(f"{counted(study.cell_count, 'cell')}, {tuning}{counted(study.run_count('compare'), 'run')}")
    if study.published:
        lines.append(
            f"{counted(len(study.published), 'published cell')}, such as {cell_in_words(study.published[0]['cell'])}"
        )
    if study.expected:
        lines.append(_expected(study.expected))
    return "\n".join(lines)


def few_seeds(study: Study) -> str:
    """Return what the seeds of a study cannot show of the values that it compares; "" where there are enough.

    Example:
        >>> few_seeds(Study(grid={"activation": ["relu", "elu", "mish"]}, seeds=1))
        '1 seed shows no difference: 2 allow a paired t-test, and the sign-flip test needs 7 among 3 values'
    """
    seeds, values = len(study.seeds), len(study.factors[study.compare])
    needed = seeds_for_sign_flip(math.comb(values, 2)) if values > 1 else 0
    if seeds >= needed:
        return ""
    if seeds == 1:
        return (
            "1 seed shows no difference: 2 allow a paired t-test, and the sign-flip test needs"
            f" {needed} among {values} values"
        )
    return (
        f"{seeds} seeds are few: the sign-flip test needs {needed} to show any difference among {values} values;"
        " a paired t-test stands in"
    )


def _expected(cost: Mapping[str, Any]) -> str:
    """Return what a study file expects a study to cost.

    Example:
        >>> _expected({"machine": "2 CPU cores", "hours": 3.5}), _expected({"machine": "a GPU"}), _expected({"gb": 3})
        ('it takes about 3.5 h on 2 CPU cores', 'it was made for a GPU', 'expected: gb 3')
    """
    if set(cost) == {"machine", "hours"}:
        return f"it takes about {cost['hours']} h on {cost['machine']}"
    return f"it was made for {cost['machine']}" if set(cost) == {"machine"} else f"expected: {cell_in_words(cost)}"


def estimate_in_words(found: StudyCost, workers: int) -> str:
    """Return an estimate, for so many workers.

    Example:
        >>> estimate_in_words(StudyCost(3600.0, 6.0, 5_000_000, 2, 4.0), 2)
        'about 30 min with 2 workers on idle CPU cores, 5 MB of disk (2 networks tried in 4 s)'
    """
    size = f"{found.bytes / 1e9:.1f} GB" if found.bytes >= 1e9 else f"{found.bytes / 1e6:.0f} MB"
    tried = f"{counted(found.networks, 'network')} tried in {duration(found.probe_seconds)}"
    taken = duration(found.startup_seconds + found.seconds / workers)
    return f"about {taken} with {counted(workers, 'worker')} on idle CPU cores, {size} of disk ({tried})"
