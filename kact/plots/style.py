"""How every figure looks, and how one is written: colours, marks, hatches, axes, files.

Colours are Okabe & Ito's (https://jfly.uni-koeln.de/color/), told apart with any colour vision; their yellow is left
out, which nobody sees on white paper. What differs in colour differs in mark, line and hatch too.

>>> looks = series(["relu", "mish"])
>>> looks["relu"]["marker"] == looks["mish"]["marker"]
False
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kact.errors import KactError
from kact.storage.files import atomic, explained

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")
BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#555555"
COLOURS = (BLUE, VERMILION, GREEN, "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = "osD^vP*X<>"
LINES = ("-", "--", "-.", ":")
HATCHES = (
    "",
    "//",
    "--",
    "\\\\",
    "||",
    "xx",
    "++",
    "//--",
    "\\\\||",
    "xx||",
)  # no dots: SVGs of 300 kB


def series(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return how each of several named series is drawn: Matplotlib's `color`, `marker`, `linestyle` and `hatch`.

    No two of the first 28 share both colour and line style, and neighbours share nothing.
    """
    return {
        name: {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[i % len(MARKERS)],
            "linestyle": LINES[i % len(LINES)],
            "hatch": HATCHES[i % len(HATCHES)],
        }
        for i, name in enumerate(names)
    }


def ordered(names: Iterable[str], order: Sequence[str]) -> list[str]:
    """Return each name once, in an order that other figures have too, so that a value looks alike in all of them.

    Example:
        >>> ordered(["elu", "own", "relu"], ["relu", "mish", "elu"])
        ['relu', 'mish', 'elu', 'own']
    """
    return list(dict.fromkeys([*order, *names]))


def wrapped(label: str, width: int = 28) -> str:
    """Return a label in lines that are no wider than so many letters, four of them at most.

    Example:
        >>> wrapped("leaky_relu(negative_slope=0.1)").splitlines()
        ['leaky_relu', '(negative_slope=0.1)']
    """
    lines = textwrap.wrap(label.replace("(", " ("), width, max_lines=4, placeholder=" …")
    return "\n".join(lines).replace(" (", "(")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, laid out so that nothing overlaps."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=130)


def bare(axes: Axes) -> None:
    """Take ticks and frame away, as around a picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def lined(axes: Axes) -> None:
    """Draw a faint grid, and axes on two sides only."""
    axes.grid(True, alpha=0.3, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def on_shade(share: float) -> str:
    """Return the colour of text on a shade of `share` in [0, 1], from light to dark."""
    return "white" if share > 0.5 else "black"


def figure_path(out: str | Path | None, folder: Path, name: str, kind: str) -> Path:
    """Return the file that a figure goes to, checked before anything is drawn.

    Args:
        out: the file; `folder/name.kind` if None.
        folder, name: of the figure where `out` is None.
        kind: one of `FORMATS`.

    Raises:
        KactError: for another format.

    Example:
        >>> figure_path(None, Path("figures"), "digits-counts", "svg").as_posix()
        'figures/digits-counts.svg'
    """
    if kind not in FORMATS:
        raise KactError.parameter("format", kind, "one of", choices=FORMATS)
    path = Path(out) if out is not None else folder / f"{name}.{kind}"
    _check_suffix(path)
    return path


def _check_suffix(path: Path) -> str:
    """Return the format that a path's suffix says, or raise."""
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise KactError.parameter("out", str(path), "a file name that ends in", choices=[f".{one}" for one in FORMATS])
    return kind


def write(figure: Figure, path: Path, *, text: bool = True) -> Path:
    """Write a figure as PNG or SVG, as the path's suffix says, whole or not at all, and return the path.

    Args:
        figure: Matplotlib's.
        path: ends in .png or .svg; its folder is made.
        text: leave text in an SVG as text; else as outlines, which look the same without Matplotlib's font.

    Raises:
        KactError: for another suffix, or a place that cannot be written.
    """
    import matplotlib

    kind = _check_suffix(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    about = {"Date": None} if kind == "svg" else {}  # the same results give the same file
    settings: Any = {"svg.hashsalt": "kact", "svg.fonttype": "none" if text else "path"}
    with matplotlib.rc_context(settings), atomic(path) as temporary:
        figure.savefig(temporary, format=kind, metadata=about)
    return path
