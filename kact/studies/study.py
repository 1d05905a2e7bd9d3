"""Study: a grid of experiments times seeds, with what is tuned before and what was published beside it.

>>> study = Study(name="two", base={"task": "digits"}, grid={"activation": ["relu", "mish"]}, seeds=2)
>>> [(cell, experiment.seed) for cell, experiment in study.experiments("compare")][:2]
[({'activation': 'relu'}, 0), ({'activation': 'mish'}, 0)]
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kact.errors import KactError
from kact.experiment import Experiment, default_model
from kact.models import habitual_batch_norm, make_model
from kact.settings import check_settings, frozen, setting
from kact.spec import choose
from kact.studies.factors import cell_in_words, check_table, factor_values
from kact.studies.row import STAGES
from kact.studies.tune import Group, Tune, seeds_of

SCORES = ("accuracy", "loss", "precision", "recall", "f1", "unseen_accuracy", "sequence_accuracy")

_CHECKED_CELLS = 2_000  # a larger grid is checked value by value at first, and cell by cell when it runs
_LABEL, _SIZE = "label.", "model."
_FIELDS = tuple(one.name for one in dataclasses.fields(Experiment) if one.name != "seed")


@dataclass(frozen=True)
class Study:
    """What is trained and what is asked, checked when it is built.

    A factor is any field of `Experiment`, a size of the model ("model.hidden_units"), or in `zips` a label
    ("label.depth"), which changes nothing and gives reports a name: in `factors` and in cells it is "depth", and stands
    there for the model and the sizes that it goes with. What goes with the compared factor is not named there either.

    Attributes:
        compare: the factor whose values are compared, paired by seed, within each combination of the others.
        score: the test score that is compared, one of `SCORES`.
        seeds: of the compared runs; a number stands for as many, from 0.
        figures: those that a report draws; it chooses by itself where there are none.
        expected: what to expect of it, such as {"machine": "2 CPU cores", "hours": 3.5}.
        base: fields of `Experiment` that all runs share.
        grid: factor to its values; all combinations run.
        zips: factors to values that go together, one mapping a group.
        tune: what is chosen on validation first, for each value of `compare`.
        published: a mapping each: "cell" (factor to value), and the numbers beside it.
        continue_epochs: a run goes on from the one that differs in nothing but fewer epochs, as one curve.
        quick: whether this is the quick form, which proves nothing.
        header: the comment on top of its file.

    Raises:
        KactError: for the first thing that is unusable, two cells that are the same experiment among them.
    """

    name: str = setting("study", "what its directory is called")
    title: str = setting("", "of the report")
    study: str = setting("", "its number in the list of published studies")
    source: str = setting("", "who published it, and when")
    question: str = setting("", "what it asks")
    notes: tuple[str, ...] = setting((), "what was left open, and what was chosen")
    compare: str = setting("activation", "the factor that is compared")
    score: str = setting("accuracy", "the test score that is compared", choices=SCORES)
    seeds: tuple[int, ...] = setting(1, "of the compared runs", at_least=0)
    figures: tuple[str, ...] = setting((), "figures of the report")
    continue_epochs: bool = setting(False, "longer runs go on from shorter ones")
    quick: bool = setting(False, "the quick form")
    header: str = setting("", "the comment on top of its file")
    expected: Mapping[str, Any] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    zips: Sequence[Mapping[str, Sequence[Any]]] = ()
    tune: Tune | None = None
    published: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "seeds", seeds_of(self.seeds, "seeds"))
        check_settings(self)
        if self.name in ("", ".", "..") or set(self.name) & set("/\\\0\n"):
            raise KactError.parameter("name", self.name, "what a directory can be called")
        for name in ("expected", "base", "grid"):
            check_table(name, getattr(self, name))
        object.__setattr__(self, "base", dict(self.base))
        object.__setattr__(self, "grid", factor_values("grid", self.grid))
        object.__setattr__(self, "zips", tuple(factor_values("zip", group, together=True) for group in self.zips))
        object.__setattr__(self, "published", tuple(self.published))
        self._check_factors()
        self._check_published()
        self._check_cells()

    @property
    def factors(self) -> dict[str, tuple[Any, ...]]:
        """The different values of each factor that cells name, in the order of the file; those of a zip go together."""
        found = {name: tuple(values) for name, values in self.grid.items()}
        for group in self.zips:
            found |= {_bare(name): tuple(dict.fromkeys(group[name])) for name in group if name not in self._unnamed}
        return found

    @property
    def cell_count(self) -> int:
        """How many cells there are: all combinations of the grid and of the zips' groups."""
        return math.prod([len(values) for values in self.grid.values()] + [len(_first(group)) for group in self.zips])

    def run_count(self, stage: str) -> int:
        """How many runs a stage has."""
        if stage == "compare":
            return self.cell_count * len(self.seeds)
        return 0 if self.tune is None else self.cell_count * self.tune.candidate_count * len(self.tune.seeds)

    def cells(self) -> Iterator[dict[str, Any]]:
        """Yield each cell, factor to value."""
        for settings in self._combinations():
            yield self._cell(settings)

    def experiments(
        self, stage: str, chosen: Mapping[Group, Mapping[str, Any] | None] | None = None
    ) -> Iterator[tuple[dict[str, Any], Experiment]]:
        """Yield (cell, experiment) for each run of a stage: every cell with the first seed, then with the next.

        Args:
            stage: "tune" (cells carry the candidate's settings too) or "compare".
            chosen: tuned settings by `Tune.group` of a cell, as `kact.studies.tune.choose_settings` gives them; where
                there are none the first candidate stands in, so that the runs can be counted.

        Raises:
            KactError: if two cells are the same experiment, or a combination is unusable.
        """
        choose(stage, STAGES, {}, "stage")
        if stage == "tune" and self.tune is None:
            return
        seeds = self.tune.seeds if stage == "tune" and self.tune else self.seeds
        for seed in seeds:
            described: dict[str, dict[str, Any]] = {}
            named: set[tuple[Any, ...]] = set()
            for cell, settings in self._settings(stage, chosen):
                experiment = self._experiment(settings).replace(seed=seed)
                digest = experiment.hash
                if digest in described:
                    other = cell_in_words(described[digest])
                    raise KactError(
                        f"Two cells are the same experiment: {other} and {cell_in_words(cell)}.",
                        "Take one of them out of the grid.",
                    )
                if (name := tuple(cell.items())) in named:
                    raise KactError(
                        f"Two cells are called the same: {cell_in_words(cell)}.",
                        "Give each row of a [[zip]] its own label.",
                    )
                described[digest] = cell
                named.add(name)
                yield cell, experiment

    def replace(self, **changes: Any) -> Study:
        """Return a copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    def _settings(
        self, stage: str, chosen: Mapping[Group, Mapping[str, Any] | None] | None
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yield each cell of a stage, and the settings of its experiment."""
        for settings in self._combinations():
            cell = self._cell(settings)
            if self.tune is None:
                yield cell, settings
            elif stage == "tune":
                for candidate in self.tune.candidates():
                    length = {} if self.tune.epochs is None else {"epochs": self.tune.epochs}
                    yield cell | candidate, settings | length | candidate
            else:
                group = self.tune.group(cell, self.compare)
                yield cell, settings | dict((chosen or {}).get(group) or next(self.tune.candidates()))

    def _cell(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {_bare(name): value for name, value in settings.items() if name not in self._unnamed}

    @cached_property
    def _unnamed(self) -> set[str]:
        """Factors of zips that others stand for: sizes behind a label, and what goes with the compared factor."""
        found: set[str] = set()
        for group in self.zips:
            compared = any(_bare(name) == self.compare for name in group)
            labelled = any(name.startswith(_LABEL) for name in group)
            for name in group:
                size = labelled and (name == "model" or name.startswith(_SIZE))
                if _bare(name) != self.compare and not name.startswith(_LABEL) and (size or compared):
                    found.add(name)
        return found

    def _combinations(self) -> Iterator[dict[str, Any]]:
        """Yield the settings of each cell, labels among them; the last factor changes quickest."""
        axes = [[{name: value} for value in values] for name, values in self.grid.items()]
        axes += [
            [dict(zip(group, row, strict=True)) for row in zip(*group.values(), strict=True)] for group in self.zips
        ]
        for parts in itertools.product(*axes):
            yield {name: value for part in parts for name, value in part.items()}

    def _experiment(self, settings: Mapping[str, Any]) -> Experiment:
        """Return the experiment for the settings of one cell, on top of the base."""
        given = {**self.base, **{name: value for name, value in settings.items() if not name.startswith(_LABEL)}}
        sizes = {name.removeprefix(_SIZE): given.pop(name) for name in list(given) if name.startswith(_SIZE)}
        if sizes:
            named = given.get("model") or default_model(given.get("task", "digits"), given.get("backbone"))
            if given.get("batch_norm") is None:  # a published net's sizes may change, its habit does not
                given["batch_norm"] = habitual_batch_norm(named)
            given["model"] = make_model(named).to_dict() | sizes
        return Experiment.from_dict(given)

    def _check_factors(self) -> None:
        names = [*self.grid, *(name for group in self.zips for name in group)]
        tuned = list(self.tune.grid) if self.tune else []
        for name in [*self.base, *names, *tuned]:
            if name.startswith(_LABEL) and any(name in group for group in self.zips):
                continue
            if not name.startswith(_SIZE):
                choose(name, _FIELDS, {}, "factor" if name not in self.base else "base")
        if self.continue_epochs and "epochs" not in names:
            raise KactError("`continue_epochs` needs several lengths to go on to.", "Give epochs = [20, 40] in [grid].")
        bare = [_bare(name) for name in names] + tuned
        for name in bare:
            if bare.count(name) > 1:
                raise KactError(f"The factor {name!r} is given twice.", "Name it once in [grid], [[zip]] and [tune].")
        if not self.factors:
            raise KactError(
                "A study needs something to compare.", 'Give it a grid: [grid] activation = ["relu", "mish"].'
            )
        choose(self.compare, self.factors, {}, "compare", "Name a factor of [grid] or [[zip]].")
        trained_on = {self.base.get("train_on", "train"), *self.factors.get("train_on", ())}
        if self.tune is not None and trained_on != {"train"}:
            raise KactError(
                "A study that tunes chooses on validation, and train_on='train+validation' leaves none.",
                "Take train_on or [tune] out.",
            )
        if self.tune is not None and self.tune.epochs is not None and "epochs" in names:
            raise KactError(
                "Tuning runs cannot have a length of their own where lengths are compared.",
                "Take epochs out of [tune], or out of [grid] and [[zip]].",
            )
        if self.tune is not None and (both := sorted(set(self.seeds) & set(self.tune.seeds))):
            raise KactError(
                f"The seed {both[0]} is both tuned with and compared: its runs would be chosen by, and then judged.",
                "Give [tune] other seeds, or none: they are then counted from 1000.",
            )
        for name in self.tune.within if self.tune else ():
            choose(name, self.factors, {}, "within", "Name a factor of [grid] or [[zip]].")

    def _check_published(self) -> None:
        factors = self.factors
        for entry in self.published:
            if not isinstance(entry.get("cell"), Mapping):
                raise KactError.parameter("published", dict(entry), "tables with a `cell`, factor to value")
            for name, value in entry["cell"].items():
                choose(name, factors, {}, "published cell")
                if frozen(value) not in factors[name]:
                    shown = [str(one) for one in factors[name]]
                    raise KactError.parameter(f"published cell {name}", value, "one of its values", choices=shown)

    def _check_cells(self) -> None:
        tuned = self.cell_count * (self.tune.candidate_count if self.tune else 0)
        if max(tuned, self.cell_count) <= _CHECKED_CELLS:
            for stage, count in (("tune", tuned), ("compare", self.cell_count)):
                for _ in itertools.islice(self.experiments(stage), count):  # the first seed's
                    pass
            return
        first = next(self._combinations())
        for settings in ({**first, name: value} for name, values in self.grid.items() for value in values):
            self._experiment(settings)


def _bare(name: str) -> str:
    return name.removeprefix(_LABEL)


def _first(group: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
    return next(iter(group.values()))
