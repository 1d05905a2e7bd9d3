"""The interactive twin of a figure: a plotly figure as JSON, and plotly's script, packed so that a page can be mailed.

>>> isinstance(available(), bool)  # whether plotly is there; pages do without where it is not
True
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any

from kact.errors import KactError
from kact.plots.style import series

_DASHES = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}


def available() -> bool:
    """Return whether plotly is installed."""
    import importlib.util

    return importlib.util.find_spec("plotly") is not None


@cache
def script() -> str:
    """Return plotly.js, compressed with gzip, in base64: a third of its size.

    Raises:
        KactError: if plotly is missing.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise _missing() from None
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


def make(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plotly figure of lines with bands, as plain values.

    Args:
        drawn: "y", the axis' label, and "lines": each with "name", "epochs", "mean", "low" and "high".

    Raises:
        KactError: if plotly is missing.
    """
    try:
        import plotly.graph_objects as plotly
    except ImportError:
        raise _missing() from None
    looks = series([line["name"] for line in drawn["lines"]])
    figure = plotly.Figure()
    for line in drawn["lines"]:
        look = looks[line["name"]]
        epochs, group = line["epochs"], line["name"]
        for begin, end in _stretches(line["low"]):
            figure.add_scatter(
                x=[*epochs[begin:end], *reversed(epochs[begin:end])],
                y=[*line["high"][begin:end], *reversed(line["low"][begin:end])],
                fill="toself",
                fillcolor=look["color"],
                opacity=0.15,
                line={"width": 0},
                hoverinfo="skip",
                legendgroup=group,
                showlegend=False,
            )
        dash = _DASHES[look["linestyle"]]
        figure.add_scatter(
            x=epochs, y=line["mean"], name=group, legendgroup=group, line={"color": look["color"], "dash": dash}
        )
    figure.update_layout(
        template="none",
        xaxis={"title": {"text": "epoch"}},
        yaxis={"title": {"text": drawn["y"]}},
        hovermode="x",
        height=480,
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
    )
    made: dict[str, Any] = json.loads(figure.to_json())
    return made


def _stretches(values: Sequence[float | None]) -> Iterator[tuple[int, int]]:
    """Yield where values that are there begin and end, stretch by stretch, as a band has gaps where it has no interval.

    Example:
        >>> list(_stretches([None, 1.0, 2.0, None, 3.0]))
        [(1, 3), (4, 5)]
    """
    for there, places in groupby(range(len(values)), lambda place: values[place] is not None):
        if there:
            begin, *rest = places
            yield begin, begin + len(rest) + 1


def _missing() -> KactError:
    return KactError(
        "Interactive figures need plotly, which is not installed.",
        "Install it: pip install 'kact[report]', or leave --interactive away.",
    )
