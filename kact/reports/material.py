"""Material: what a report is made from, whether one study, several, or plain runs.

>>> row = ResultRow("1a", 0, "compare", {"activation": "relu"}, {"task": "digits"}, "failed", error="no disk")
>>> Material(name="one", rows=(row,), factors={"activation": ("relu",)}).cells()[0].failed
1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kact.reports.numbers import field as field_words
from kact.reports.numbers import in_words, key
from kact.studies.row import ResultRow

LOWER_IS_BETTER = ("loss",)


@dataclass(frozen=True)
class Cell:
    """All compared runs of one combination of factors.

    Attributes:
        value: of the factor that is compared.
        others: the other factors' values.
        rows: a run a seed.
    """

    value: Any
    others: Mapping[str, Any]
    rows: tuple[ResultRow, ...]

    @property
    def name(self) -> str:
        """The compared value in words."""
        return in_words(self.value)

    @property
    def place(self) -> str:
        """The other factors in words; "" where there are none."""
        return ", ".join(f"{field_words(name)} {in_words(value)}" for name, value in self.others.items())

    @property
    def title(self) -> str:
        """The compared value and the other factors in words: "relu, depth 3"."""
        return f"{self.name}, {self.place}" if self.place else self.name

    @property
    def settings(self) -> Mapping[str, Any]:
        """All factors of its runs, those too that follow from the others and are not shown."""
        return self.rows[0].cell

    @property
    def failed(self) -> int:
        """Runs that ended with an error."""
        return sum(row.status == "failed" for row in self.rows)

    @property
    def diverged(self) -> int:
        """Runs whose loss stopped being a number."""
        return sum(row.status == "diverged" for row in self.rows)

    def scores(self, name: str, split: str = "test") -> dict[int, float]:
        """Return the score of each run that has one, by seed."""
        found = {row.seed: row.score(split, name) for row in self.rows}
        return {seed: value for seed, value in sorted(found.items()) if value is not None}

    def seconds(self) -> list[float]:
        """Return the training time of each run that came to its end, s; one that diverged is short for nothing."""
        return [row.metrics["timing"]["train_seconds"] for row in self.rows if row.metrics and row.status == "finished"]


@dataclass(frozen=True)
class Material:
    """What is reported.

    Attributes:
        name: of the study, or of what is compared.
        rows: of every stage, in any order.
        factors: name to values in the order to show them; `compare` is one of them.
        compare: the factor whose values are compared.
        score: of the test scores, the one that is compared.
        title, question, source, notes, published, figures, quick: the study's.
        conclusion: of whoever ran the study, as Markdown; "" where nobody wrote one.
        planned: how many compared runs there are to be; None where nobody said.
        tuned: setting that was chosen on validation, to its candidates.
        within: factors, beside the compared one, for each of whose values it was chosen anew.
        tuned_epochs: of the runs that it was chosen by; None where they were as long as the compared ones.
        chosen: settings by `key` of the compared value and those of `within`; None where nothing could be chosen yet.
        confounded: settings in which runs differ and that follow from the compared value.
        remarks: what a reader must know of how runs came together.
        folders: directories of runs, by the path of their rows.
    """

    name: str
    rows: tuple[ResultRow, ...]
    factors: Mapping[str, tuple[Any, ...]]
    compare: str = "activation"
    score: str = "accuracy"
    title: str = ""
    question: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    published: tuple[Mapping[str, Any], ...] = ()
    figures: tuple[str, ...] = ()
    quick: bool = False
    conclusion: str = ""
    planned: int | None = None
    tuned: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    within: tuple[str, ...] = ()
    tuned_epochs: int | None = None
    chosen: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    confounded: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    folders: Mapping[str, Path] = field(default_factory=dict)

    @property
    def compared(self) -> list[ResultRow]:
        """The runs whose test scores are compared."""
        return [row for row in self.rows if row.stage == "compare"]

    @property
    def kept(self) -> str:
        """Which weights of a run were scored, in words."""
        keep = {str(row.experiment.get("keep", "best")) for row in self.compared}
        best = "the weights of the epoch that was best on validation"
        return (
            "the weights of the last epoch"
            if keep == {"last"}
            else best + (", or of the last" if keep - {"best"} else "")
        )

    @property
    def others(self) -> list[str]:
        """The factors beside the one that is compared."""
        return [name for name in self.factors if name != self.compare]

    @property
    def names(self) -> list[str]:
        """The compared values in words, in their order."""
        return [in_words(value) for value in self.factors[self.compare]]

    def called(self, name: str) -> str:
        """Return a compared value as a sentence names it: "relu", but "convolutions 5"."""
        plain = all(isinstance(value, str) for value in self.factors[self.compare])
        return name if plain else f"{field_words(self.compare)} {name}"

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger score is a better one."""
        return self.score not in LOWER_IS_BETTER

    def cells(self) -> list[Cell]:
        """Return the cells that have a row, in the order of the factors' values, the compared one last."""
        groups: dict[str, list[ResultRow]] = {}
        for row in self.compared:
            groups.setdefault(key([row.cell.get(name) for name in self.factors]), []).append(row)
        cells = [
            Cell(
                rows[0].cell.get(self.compare),
                {name: rows[0].cell.get(name) for name in self.others},
                tuple(sorted(rows, key=lambda row: row.seed)),
            )
            for rows in groups.values()
        ]
        return sorted(cells, key=self._order)

    def by_place(self) -> dict[str, list[Cell]]:
        """Return the cells by their other factors, in words: runs are compared within these."""
        places: dict[str, list[Cell]] = {}
        for cell in self.cells():
            places.setdefault(cell.place, []).append(cell)
        return places

    def folder(self, row: ResultRow) -> Path | None:
        """Return the directory of a run; None where its row names none, or it is gone."""
        path = self.folders.get(row.path)
        return path if path is not None and path.is_dir() else None

    def _order(self, cell: Cell) -> tuple[int, ...]:
        values = {**cell.others, self.compare: cell.value}
        return tuple(_position(values[name], self.factors[name]) for name in [*self.others, self.compare])


def _position(value: Any, values: tuple[Any, ...]) -> int:
    keys = [key(one) for one in values]
    return keys.index(key(value)) if key(value) in keys else len(keys)
