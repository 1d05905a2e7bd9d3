"""The figure of activation functions: curves over derivatives, as SVG that takes the page's own colours for text.

>>> from kact import curves
>>> curves_svg({"relu": curves.sample("relu", -2, 2, 9)})[:4]
'<svg'
"""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kact.curves import Curve

# Okabe & Ito's, without those that a dark page swallows; lines differ in their dashes too.
COLOURS = ("#3b8fd6", "#e07b1a", "#0ba37f", "#c66aa0", "#8d8d8d")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))

_drawing = threading.Lock()  # Matplotlib keeps fonts and settings for all threads together


def curves_svg(curves: Mapping[str, Curve]) -> str:
    """Return one SVG: each curve on the left, its derivative on the right; text and axes are left to the page's CSS."""
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "kact", "font.size": 11, "font.family": "sans-serif"}
    with _drawing, matplotlib.rc_context(settings):
        figure = Figure(figsize=(9.2, 3.7), layout="constrained")
        figure.patch.set_alpha(0)
        for axes, title, part in zip(figure.subplots(1, 2), ("activation", "derivative"), ("y", "slope"), strict=True):
            for spot in ("h", "v"):
                line = axes.axhline if spot == "h" else axes.axvline
                line(0, linewidth=0.8, alpha=0.45).set_gid(f"{title}-{spot}-ink")
            for number, (spec, curve) in enumerate(curves.items()):
                values = getattr(curve, part)
                axes.plot(
                    curve.x, values, color=COLOURS[number % 5], linestyle=_DASHES[number % 5], linewidth=2.2, label=spec
                )
            axes.set_title(title, fontsize=12)
            axes.patch.set_alpha(0)
            axes.spines[["top", "right"]].set_visible(False)
            axes.margins(x=0.01)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
