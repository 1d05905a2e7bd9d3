"""Illustration: a figure with what is said of it: a title, how to read it, and in words what it shows.

>>> Illustration("bars", "Scores", "How to read it.", "What it shows.", None).file_name
'bars.svg'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kact.reports.findings import Findings
from kact.reports.numbers import field

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_TOLD = 12


@dataclass(frozen=True)
class Illustration:
    """One figure of a page.

    Attributes:
        name: of its file.
        title: its heading.
        caption: how to read it.
        alt: what it shows, for somebody who does not see it.
        figure: Matplotlib's; None where `picture` is there already.
        picture: a file made before, such as feature maps that `kact inspect` drew.
        interactive: the same for plotly, as plain values; None where there is none.
    """

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure | None
    picture: Path | None = None
    interactive: Mapping[str, Any] | None = None

    @property
    def file_name(self) -> str:
        """The name of its file in `figures/`."""
        stem = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")
        return f"{stem}{'.svg' if self.picture is None else self.picture.suffix}"


def told(values: Iterable[tuple[str, str]]) -> str:
    """Return names and numbers as one sentence's end, the first dozen of them.

    Example:
        >>> told([("relu", "57.1"), ("elu", "58.0")])
        'relu 57.1, elu 58.0'
    """
    shown = [f"{name} {value}" for name, value in values]
    more = f" and {len(shown) - _MOST_TOLD} more" if len(shown) > _MOST_TOLD else ""
    return ", ".join(shown[:_MOST_TOLD]) + more


def axis(found: Findings) -> str:
    """Return the label of an axis of the compared score, with its unit."""
    return found.unit.header(f"test {field(found.material.score)}")
