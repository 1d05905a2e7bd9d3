"""The studies' results: Markdown files with their figures, made into HTML that holds everything in itself.

HTML inside the Markdown is shown as text. Pictures are read from beside the file only; one from elsewhere is left out.

>>> "<script" in to_html("<script>alert(1)</script>", Path())
False
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from kact import KactError

DOCS = Path(__file__).parents[1] / "docs" / "results"
HOUSE = [DOCS / "studies/lenet-activations.md", DOCS / "studies", DOCS]  # the README's answer first, the list late
MOST_REPORTS = 100
LARGEST_BYTES = 2 * 2**20  # of a text; figures likewise
_KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".svg": "image/svg+xml"}
_DEEPEST = 3
_QUICK = "> **This is the quick form"  # how `kact report` begins the page of one


@dataclass(frozen=True)
class Report:
    """One text with results.

    Attributes:
        title: its first heading, and whether it is of a quick form.
        path: of the Markdown file.
        root: the folder that its pictures must be in.
    """

    title: str
    path: Path
    root: Path


def find_reports(places: Sequence[str | Path]) -> dict[str, Report]:
    """Return reports by label: files, and of folders each Markdown file, and `report.md` of the studies below.

    A report keeps the first of its places. A label is the title, said to be of a quick form where it is one; where
    several are alike, the study's folder too.
    """
    found: dict[Path, Report] = {}
    for place in map(Path, places):
        files = [place] if place.is_file() else sorted(place.glob("*.md"))
        for depth in range(1, _DEEPEST + 1):
            files += sorted(place.glob("*/" * depth + "report.md"))
        folder = place.parent if place.is_file() else place
        root = folder.parent if folder == DOCS else folder  # docs/figures is beside it
        for file in files[: MOST_REPORTS - len(found)]:
            found.setdefault(file, Report(_title(file), file, root))
    titles = [one.title for one in found.values()]
    labelled: dict[str, Report] = {}
    for one in found.values():
        label = one.title if titles.count(one.title) == 1 else f"{one.title} · {_name(one.path)}"
        unused, number = label, 2
        while unused in labelled:
            unused, number = f"{label} ({number})", number + 1
        labelled[unused] = one
    return labelled


def report_page(reports: dict[str, Report], title: object) -> str:
    """Return one report as HTML.

    Raises:
        KactError: if there is none of that title, or it can no longer be read.
    """
    report = reports.get(title) if isinstance(title, str) else None
    if report is None:
        raise KactError("There is no such report.", "Choose one of the list.")
    return f'<article class="kact-report">{to_html(_read(report.path), report.path.parent, report.root)}</article>'


def to_html(text: str, beside: Path, root: Path | None = None) -> str:
    """Return Markdown as HTML.

    Args:
        text: Markdown, with tables.
        beside: the folder that the addresses of pictures start from.
        root: the folder that they must stay in; `beside` if None.
    """
    from markdown_it import MarkdownIt

    within = (root or beside).resolve()

    def image(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        words = html.escape(token.content)
        source = _inside(beside / unquote(str(token.attrs.get("src", ""))), within)
        if source is None:
            return f'<span class="kact-quiet">[figure: {words}]</span>'
        data = base64.b64encode(source.read_bytes()).decode()
        return f'<img src="data:{_KINDS[source.suffix.lower()]};base64,{data}" alt="{words}">'

    def link(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
        address = str(tokens[index].attrs.get("href", ""))
        if not address.startswith(("https://", "http://")):
            return '<a class="kact-quiet">'  # a file of the repository, which the page does not serve
        return f'<a class="kact-link" rel="noopener noreferrer" href="{html.escape(address)}">'

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("image", image)
    markdown.add_render_rule("link_open", link)
    return str(markdown.render(text))


def _inside(path: Path, root: Path) -> Path | None:
    try:
        file = path.resolve()
        usable = file.is_relative_to(root) and file.suffix.lower() in _KINDS and file.is_file()
        return file if usable and file.stat().st_size <= LARGEST_BYTES else None
    except (OSError, ValueError):  # a name with a null byte, or one that is too long
        return None


def _title(file: Path) -> str:
    try:
        text = _read(file)
    except KactError:
        return file.stem
    title = next((line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#")), file.stem)[:100]
    return f"{title} (quick form)" if text.startswith(_QUICK) else title


def _name(file: Path) -> str:
    """Return what a report is called on disk: as its study's folder, or its file where that has a name of its own."""
    folder = file.absolute().parent
    if file.name != "report.md":
        return file.stem
    return folder.parent.name if folder.name == "report" else folder.name


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise KactError("The report is too long to be shown here.")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise KactError("The report cannot be read.") from None
