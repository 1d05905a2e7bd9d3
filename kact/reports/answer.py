"""The answer in two sentences: which is best and what can be told from what, then what the runs could have shown.

>>> from kact.reports.findings import findings
>>> from kact.reports.material import Material
>>> answer(findings(Material("none", (), {"activation": ()})))[0]
'No run has a test score, so nothing can be told.'
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence

from kact import stats
from kact.reports.findings import Findings, Place
from kact.reports.numbers import field, listing
from kact.wording import counted

_MOST_NAMED = 6
_MOST_PAIRS = 3
_USELESS = 0.2  # a difference that only a broken run makes
_ALIKE = 1e-12  # means that differ by less are the same


def answer(found: Findings, own: Findings | None = None) -> list[str]:
    """Return the two sentences.

    Args:
        found: what they are of.
        own: the same with a learning rate for each value, of `kact.reports.own_rates`: it makes a third sentence.
    """
    told = [place for place in found.places if place.best is not None]
    if not told:
        return ["No run has a test score, so nothing can be told.", _why_none(found)]
    if not found.comparisons:
        return [_alone(found, told), _nothing_beside(found, told)]
    told = [place for place in told if len(place.ranked) > 1]
    where = f"At {told[0].name}: " if len(told) == 1 < len(found.places) else ""
    if max(one.n for one in found.comparisons) < 2:
        only = "Each was run with one seed only" if found.most_seeds < 2 else "No two have more than one seed in common"
        return [
            f"{only}, and nothing can be told from one seed: give at least {_enough(found)}.",
            f"{where}{_highest(found, told)} With other seeds it may be another.",
            *_confounded(found),
        ]
    verdict = f"{where}{_verdict(found, told[0])}" if len(told) == 1 else _verdicts(found, told)
    return [verdict, _ability(found), *([_at_own_rates(own)] if own is not None else []), *_confounded(found)]


def score_words(found: Findings) -> str:
    """Return the score in words, such as "test accuracy"."""
    return f"test {field(found.material.score)}"


def mean_words(found: Findings, place: Place, name: str, *, of_several: bool = False) -> str:
    """Return a mean with its interval and n, such as "57.1 % (95 % interval 56.5 to 57.6, n = 6)".

    Args:
        found: the unit and the decimals.
        place: of the mean.
        name: of the value whose mean it is.
        of_several: whether others have that mean too, whose intervals are others.
    """
    one = place.summaries[name]
    mean = f"{found.unit.text(one.estimate, found.decimals)} {found.unit.symbol}".rstrip()
    if one.interval is None or of_several:
        return f"{mean} (n = {one.n})"
    return f"{mean} (95 % interval {found.unit.interval(one.interval, found.decimals)}, n = {one.n})"


def _verdict(found: Findings, place: Place) -> str:
    """Say of one table which is best, and from what it can be told."""
    best = place.ranked[0]
    tied = _leaders(place)
    groups: dict[str, list[str]] = {"apart": [], "alike": [], "unknown": []}
    for one in place.against_best:
        name = one.second if one.first == best else one.first
        if name in tied:
            continue
        other = found.material.called(name)
        groups["apart" if one.detected else "unknown" if one.test == "none" else "alike"].append(other)
    first = f"{found.material.called(best)} is" if len(tied) > 1 else "it is"
    it = "them" if len(tied) > 1 else "it"
    said = [f"{first} detectably better than {_named(groups['apart'])}"] if groups["apart"] else []
    if groups["alike"]:
        said.append(f"there is no detectable difference between {it} and {_named(groups['alike'])}")
    if groups["unknown"]:
        said.append(f"nothing can be told of {_named(groups['unknown'])}, with too few seeds")
    has = (
        f"{_named([found.material.called(name) for name in tied])} share"
        if len(tied) > 1
        else (f"{found.material.called(best)} has")
    )
    mean = mean_words(found, place, best, of_several=len(tied) > 1)
    opening = f"{has} the {_extreme(found)} mean {score_words(found)}, {mean}"
    joint = "" if not said else "; " if groups["apart"] else ", but "
    return f"{opening}{joint}{', and '.join(said)}{_elsewhere(found, place, tied)}."


def _leaders(place: Place) -> list[str]:
    """Return the name with the best mean, and those that share it."""
    highest = place.summaries[place.ranked[0]].estimate
    return [name for name in place.ranked if math.isclose(place.summaries[name].estimate, highest, abs_tol=_ALIKE)]


def _elsewhere(found: Findings, place: Place, best: Sequence[str]) -> str:
    """Say what can be told from what among those that are not the best, as the end of a sentence."""
    others = [one for one in place.pairwise.comparisons if not {one.first, one.second} & set(best)]
    apart = [one for one in others if one.detected]
    if not apart:
        return ""
    if len(apart) > _MOST_PAIRS:
        return f"; {len(apart)} of the {len(others)} other pairs differ detectably"
    worse: dict[str, list[str]] = {}
    for one in apart:
        better, other = sorted((one.first, one.second), key=place.ranked.index)
        worse.setdefault(found.material.called(better), []).append(found.material.called(other))
    told = [f"{better} than {listing(names)}" for better, names in worse.items()]
    return f"; of the others {', and '.join([told[0].replace(' than', ' is detectably better than', 1), *told[1:]])}"


def _verdicts(found: Findings, told: list[Place]) -> str:
    """Say of several tables which is best how often, and how many comparisons found anything."""
    apart, total = sum(one.detected for one in found.comparisons), len(found.comparisons)
    clear = sum(bool(place.against_best) and all(one.detected for one in place.against_best) for place in told)
    often = f"in {clear} of the {len(told)} the best can" if clear else "in none of them can the best"
    many = f"{apart} of {counted(total, 'comparison')}" if apart else f"none of {counted(total, 'comparison')}"
    shows = "shows" if apart < 2 else "show"
    return (
        f"{_wins(found, told)}{_best_of_all(found)}; {often} be told from all others, and {many} in all"
        f" {shows} a detectable difference."
    )


def _best_of_all(found: Findings) -> str:
    """Name the cell with the best mean, where cells are of one task and can be set side by side."""
    best = found.best_cell
    if best is None or "task" in found.material.others:
        return ""
    place = next(place for place in found.places if best in place.cells)
    mean = found.unit.text(place.summaries[best.name].estimate, found.decimals)
    where = f"{found.material.called(best.name)} at {place.name}"
    return f" (the {_extreme(found)} of all: {mean} {found.unit.symbol}".rstrip() + f", {where})"


def _wins(found: Findings, told: list[Place]) -> str:
    leaders = [_leaders(place) for place in told]
    wins = Counter(name for names in leaders for name in names)
    called = found.material.called
    first = [f"{called(name)} in {count}" for name, count in wins.most_common(_MOST_NAMED)]
    others = [field(name) for name in found.material.others]
    what = f"{len(told)} {'values' if len(others) == 1 else 'combinations'} of {listing(others)}"
    belongs = f"{called(told[0].ranked[0])} in all of them" if len(wins) == 1 else listing(first)
    shared = ", counted for each where several share it" if any(len(names) > 1 for names in leaders) else ""
    return f"Over {what}, the {_extreme(found)} mean {score_words(found)} is that of {belongs}{shared}"


def _at_own_rates(own: Findings) -> str:
    """Say what is left of the differences where each value has the learning rate that suits it."""
    told = [place for place in own.places if len(place.ranked) > 1]
    verdict = _verdict(own, told[0]) if len(told) == 1 else _verdicts(own, told)
    where = f" (at {told[0].name})" if len(told) == 1 and told[0].name else ""
    return f"Each with the learning rate that was best for it on validation{where}: {verdict}"


def _ability(found: Findings) -> str:
    """Say which difference the runs would have shown."""
    paired = max(one.n for one in found.comparisons)
    full = [one for one in found.comparisons if one.n == paired]
    known = [one.detectable for one in full if math.isfinite(one.detectable)]
    if not known:
        return f"What {paired} paired seeds could have shown cannot be told: the differences have no spread."
    unit, decimals = found.unit, found.difference_decimals
    middle, low, high = statistics.median(known), min(known), max(known)
    if unit.symbol == "%" and middle >= 1:
        return f"{paired} paired seeds are too few: no difference that is possible would be found four times in five."
    if unit.symbol == "%" and middle >= _USELESS:
        least = unit.amount(middle, 0)
        return f"{paired} paired seeds are too few: only a true difference of about {least} or more is usually found."
    ends = f" ({unit.text(low, decimals)} to {unit.text(high, decimals)}, by the pair)"
    around = "" if low == high else ends
    fewest, enough = min(one.n for one in found.comparisons), _enough(found)
    fewer = f" (some pairs have {fewest}, and show less)" if fewest < paired else ""
    advice = f" (the sign-flip test wants at least {enough} seeds)" if paired < enough else ""
    return (
        f"With {paired} paired seeds{fewer}, a true difference of about {unit.amount(middle, decimals)}{around} or more"
        f" is usually found, four times in five; a smaller one may be there unseen{advice}."
    )


def _enough(found: Findings) -> int:
    """Return how many seeds the sign-flip test needs to find anything among so many comparisons."""
    return stats.seeds_for_sign_flip(max(one.comparisons for one in found.comparisons))


def _highest(found: Findings, told: list[Place]) -> str:
    if len(told) > 1:
        return f"{_wins(found, told)}."
    tied = _leaders(told[0])
    mean = mean_words(found, told[0], tied[0])
    have = "has" if len(tied) == 1 else "share"
    names = _named([found.material.called(name) for name in tied])
    return f"{names} {have} the {_extreme(found)} {score_words(found)}, {mean}."


def _confounded(found: Findings) -> list[str]:
    """Say that the compared values are not all that differs, where that is so."""
    material = found.material
    if not material.confounded:
        return []
    too = listing([field(name) for name in material.confounded[:_MOST_NAMED]])
    return [
        f"The runs differ in {too} too: what comes of that and what of {field(material.compare)} cannot be told apart."
    ]


def _alone(found: Findings, told: list[Place]) -> str:
    names = [found.material.called(place.ranked[0]) for place in told]
    several = len(set(names)) > 1
    shown = [
        f"{mean_words(found, place, place.ranked[0])}{f' for {name}' * several}{f' at {place.name}' * bool(place.name)}"
        for name, place in zip(names, told, strict=True)
    ]
    more = f", and {len(shown) - 3} more in the table" if len(shown) > 3 else ""
    mean = "mean " * (found.most_seeds > 1)
    who = f"The {mean}{score_words(found)} is" if several else f"{names[0]} has a {mean}{score_words(found)} of"
    return f"{who} {'; '.join(shown[:3])}{more}."


def _nothing_beside(found: Findings, told: list[Place]) -> str:
    if len(told) == 1:
        if without := [cell.name for cell in told[0].cells if not cell.scores(found.material.score)]:
            return f"There is nothing to compare it with: no run of {listing(without)} left a score."
        return "There is one value only, and nothing to compare it with."
    others = listing([field(name) for name in found.material.others])
    return f"For each {others} there is one {field(found.material.compare)} only, and nothing to compare it with."


def _why_none(found: Findings) -> str:
    cells = [cell for place in found.places for cell in place.cells]
    failed, diverged = sum(cell.failed for cell in cells), sum(cell.diverged for cell in cells)
    told = [counted(failed, "run") + " failed"] * bool(failed) + [counted(diverged, "run") + " diverged"] * bool(
        diverged
    )
    return f"{listing(told).capitalize()}; the table below says which." if told else "There is no finished run."


def _extreme(found: Findings) -> str:
    return "highest" if found.material.higher_is_better else "lowest"


def _named(names: list[str]) -> str:
    if len(names) <= _MOST_NAMED:
        return listing(names)
    return f"{', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED} more"
