"""Shard: which part of a study is this machine's, where machines share nothing. `kact study merge` joins the parts.

What belongs together stays on one machine: all tuning and comparing of one group, and all lengths of one curve.

>>> Shard.parse("2/5")
Shard(number=2, count=5)
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kact.errors import KactError
from kact.experiment import Experiment
from kact.studies.study import Study


@dataclass(frozen=True)
class Shard:
    """One of several equal parts.

    Attributes:
        number: from 1.
        count: of all parts.
    """

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard for NUMBER/COUNT.

        Raises:
            KactError: if it is not of that form, or there is no such part.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise KactError.parameter("shard", text, "a part of all, such as 2/5")
        return cls(int(found[1]), int(found[2]))

    def has(self, unit: int) -> bool:
        """Return whether a unit of work, counted from 0, is in this part."""
        return unit % self.count == self.number - 1

    def units(self, study: Study, runs: Iterable[tuple[Mapping[str, Any], Experiment]]) -> Iterator[int]:
        """Yield for each run of one stage the number of the unit of work that it belongs to."""
        numbers: dict[Hashable, int] = {}
        for cell, experiment in runs:
            unit: Hashable = experiment
            if study.tune is not None:
                unit = study.tune.group(cell, study.compare)
            elif study.continue_epochs:
                unit = experiment.replace(epochs=1)
            yield numbers.setdefault(unit, len(numbers))
