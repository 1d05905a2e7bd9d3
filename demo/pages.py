"""HTML of the page's answers, from templates that escape everything that is put into them.

>>> "<b>" in render("models.html", entries=[], tasks=[{"name": "<b>", "summary": "", "licence": "", "source": ""}])
False
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jinja2

from demo import tags

_TEMPLATES = Path(__file__).with_name("templates")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.globals |= {"percent": percent, "meaning": tags.meaning, "family": tags.family}
    return environment


def render(template: str, **values: Any) -> str:
    """Return a template filled in; every value is escaped unless it is marked as safe."""
    return _environment().get_template(template).render(**values)


def percent(share: float) -> str:
    """Return a share in [0, 1] in percent.

    >>> percent(0.9876), percent(0.99999), percent(0.0001)
    ('98.8 %', '> 99.9 %', '< 0.1 %')
    """
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"
