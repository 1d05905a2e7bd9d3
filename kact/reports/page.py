"""Page: what a report says, in its order, and the two forms that it is written in.

>>> escaped("a|b <i> *c* snake_case")
'a\\\\|b &lt;i&gt; \\\\*c\\\\* snake_case'
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from kact.reports import answer, choices, conditions, figures, interactive, own_rates, tables
from kact.reports.findings import Findings
from kact.reports.illustration import Illustration
from kact.reports.tables import Table

_TEMPLATES = PackageLoader("kact.reports", "templates")
_WORDS = MarkdownIt("commonmark", {"html": False}).disable("image")  # a page asks nothing of the network
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
_MARKDOWN = re.compile(r"([\\`*\[\]|~#$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


@dataclass(frozen=True)
class Page:
    """A report's content, as text and figures.

    Attributes:
        title: of the page.
        about: the question, and where the study comes from.
        quick: a banner where the numbers tell nothing; "" otherwise.
        answer: two sentences; a third where a study at several learning rates lets each value have its own.
        conclusion: of whoever ran the study, as Markdown; "" where nobody wrote one.
        missing: how many runs are not there yet; "" where all are.
        scores, comparisons, own_rates, tuned, over_tasks, conditions: tables.
        tuning, figures: illustrations.
        limits: what the page cannot say.
        notes: what a study left open, and what was chosen.
    """

    title: str
    about: tuple[str, ...]
    quick: str
    answer: tuple[str, ...]
    conclusion: str
    missing: str
    scores: Table
    comparisons: tuple[Table, ...]
    own_rates: tuple[Table, ...]
    tuned: Table | None
    over_tasks: Table | None
    tuning: tuple[Illustration, ...]
    figures: tuple[Illustration, ...]
    conditions: Table
    limits: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def illustrations(self) -> tuple[Illustration, ...]:
        """All figures, in the order of the page."""
        return (*self.tuning, *self.figures)


def compose(found: Findings) -> Page:
    """Return the page that findings make.

    Raises:
        KactError: if the study asks for a figure that is not there.
    """
    material = found.material
    drawn, undrawn = figures.draw(found)
    own = own_rates.own_rates(found)
    done, planned = len(material.compared), material.planned
    return Page(
        title=material.title or material.name,
        about=tuple(filter(None, (material.question, material.source and f"Source: {material.source}"))),
        quick=conditions.QUICK if material.quick else "",
        answer=tuple(answer.answer(found, own)),
        conclusion=material.conclusion,
        missing=f"{done:,} of {planned:,} runs are done; this is what they say." if planned and done < planned else "",
        scores=tables.scores(found),
        comparisons=tuple(tables.comparisons(found)),
        own_rates=own_rates.tables(found, own) if own is not None else (),
        tuned=choices.tuned(material),
        over_tasks=tables.over_tasks(found),
        tuning=tuple(one for one in drawn if one.name.startswith("tuning")),
        figures=tuple(one for one in drawn if not one.name.startswith("tuning")),
        conditions=conditions.conditions(found),
        limits=(*conditions.limits(found), *undrawn),
        notes=material.notes,
    )


def html(page: Page, pictures: Mapping[str, tuple[str, bytes]], *, live: bool) -> str:
    """Return the page as one HTML file that needs no other.

    Args:
        page: what it says.
        pictures: each figure's suffix and content, by the figure's name.
        live: put plotly in, for the figures that have an interactive twin.

    Raises:
        KactError: if `live` and plotly is missing.
    """
    twins = {one.name: one.interactive for one in page.illustrations if live and one.interactive is not None}
    environment = Environment(loader=_TEMPLATES, autoescape=True, undefined=StrictUndefined)

    def own(name: str) -> Markup:  # our own files, which nobody else has a word in
        return Markup(_TEMPLATES.get_source(environment, name)[0])

    return environment.get_template("report.html").render(
        page=page,
        conclusion=Markup(_WORDS.render(page.conclusion)),
        css=own("report.css"),
        js=own("report.js"),
        pictures={name: _inlined(suffix, content) for name, (suffix, content) in pictures.items()},
        live={name: interactive.make(one) for name, one in twins.items()},
        plotly=interactive.script() if twins else "",
    )


def markdown(page: Page) -> str:
    """Return the page as Markdown (GitHub's), with the figures beside it in `figures/`."""
    environment = Environment(
        loader=_TEMPLATES, autoescape=False, finalize=_escaped, undefined=StrictUndefined, keep_trailing_newline=True
    )
    rule = {True: "---", False: "---:"}
    template = environment.get_template("report.md")
    return template.render(page=page, conclusion=Markup(page.conclusion), rule=rule.__getitem__)


def escaped(value: Any) -> str:
    """Return text that Markdown shows as it is: no HTML, no emphasis, no new cell or line."""
    text = " ".join(str(value).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", text)


def _escaped(value: Any) -> str:
    return value if isinstance(value, Markup) else escaped(value)


def _inlined(suffix: str, content: bytes) -> str:
    return f"data:{_TYPES[suffix]};base64,{base64.b64encode(content).decode()}"
