"""Selection: which of a study's cells are run, where not all are wanted now. The rest stays missing, for another time.

>>> study = Study(base={"task": "digits"}, grid={"activation": ["relu", "elu"], "l2": [0.0, 0.01]})
>>> wanted = Selection.parse(study, ["activation=elu", "l2=0.01"])
>>> [cell for cell, _ in wanted.of(study, "compare", study.experiments("compare"))]
[{'activation': 'elu', 'l2': 0.01}]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kact import activations
from kact.errors import KactError
from kact.experiment import Experiment
from kact.settings import thawed
from kact.spec import choose
from kact.studies.row import STAGES
from kact.studies.study import Study


@dataclass(frozen=True)
class Selection:
    """Some cells of a study; all, if no factor is named.

    Attributes:
        values: factor to the values that are wanted; a factor that is not named may have any.
    """

    values: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, study: Study, texts: Sequence[str]) -> Selection:
        """Return the selection for FACTOR=VALUE texts; several values of one factor are alternatives.

        Raises:
            KactError: if a text is not of that form, or the study has no such factor or value.
        """
        factors = study.factors
        found: dict[str, tuple[Any, ...]] = {}
        for text in texts:
            name, sign, value = (part.strip() for part in text.partition("="))
            if not sign:
                raise KactError.parameter("only", text, "FACTOR=VALUE, such as activation=relu")
            choose(name, factors, {}, "only", "The study's factors: `kact study show`.")
            known = {_written(one): one for one in factors[name]}
            meant = [one for one in factors[name] if _means(name, value, one)]
            chosen = meant[0] if meant else known[choose(value, known, {}, f"only {name}")]
            found[name] = tuple(dict.fromkeys([*found.get(name, ()), chosen]))
        return cls(found)

    def has(self, cell: Mapping[str, Any]) -> bool:
        """Return whether a cell is wanted."""
        return all(cell[name] in wanted for name, wanted in self.values.items())

    def of(
        self, study: Study, stage: str, runs: Iterable[tuple[dict[str, Any], Experiment]]
    ) -> Iterator[tuple[dict[str, Any], Experiment]]:
        """Yield those of a stage's runs that are wanted.

        A tuning run is wanted where a wanted cell gets its settings from it, in whichever cell it is itself.
        """
        takes = self._taking(study, stage)
        return ((cell, experiment) for cell, experiment in runs if takes(cell))

    def run_count(self, study: Study) -> int:
        """Return how many runs are wanted, tuning among them.

        Example:
            >>> study = Study(base={"task": "digits"}, grid={"activation": ["relu", "elu"]}, seeds=3)
            >>> Selection().run_count(study), Selection.parse(study, ["activation=elu"]).run_count(study)
            (6, 3)
        """
        if not self.values:
            return sum(study.run_count(stage) for stage in STAGES)
        counts = [
            sum(map(self._taking(study, stage), study.cells())) * (study.run_count(stage) // study.cell_count)
            for stage in STAGES
        ]
        return sum(counts)

    def _taking(self, study: Study, stage: str) -> Callable[[Mapping[str, Any]], bool]:
        """Return what tells whether a stage's cell is wanted."""
        tune = study.tune
        if not self.values or stage != "tune" or tune is None:
            return self.has
        groups = {tune.group(cell, study.compare) for cell in study.cells() if self.has(cell)}
        return lambda cell: tune.group(cell, study.compare) in groups


def _written(value: Any) -> str:
    return str(thawed(value))


def _means(name: str, text: str, value: Any) -> bool:
    """Return whether a text means a value: as it is shown, as another way to write a number, or by another name."""
    if text == _written(value):
        return True
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, int | float):
        try:
            return float(text) == value
        except ValueError:
            return False
    if name == "activation" and isinstance(value, str):
        try:
            return activations.canonical_spec(text) == activations.canonical_spec(value)
        except KactError:
            return False
    return False
