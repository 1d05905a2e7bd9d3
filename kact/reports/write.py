"""Writing a report: Markdown with its figures, one HTML page, and the rows as CSV or Parquet.

>>> FORMATS
('md', 'html', 'csv', 'parquet')
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from kact.errors import KactError
from kact.reports import interactive, page
from kact.reports.choices import in_a_line
from kact.reports.findings import findings
from kact.reports.illustration import Illustration
from kact.reports.material import Material
from kact.reports.numbers import FRACTIONS, field
from kact.reports.page import Page
from kact.reports.sources import gather, home
from kact.storage.files import atomic, explained
from kact.studies import flat

FORMATS = ("md", "html", "csv", "parquet")
_MOST_OF_A_FRACTION = 0.5  # so large a difference is meant in points
_FIGURE = re.compile(r"\]\(figures/([\w-]+\.(?:svg|png))\)")


def report(
    names: Sequence[str],
    out: str | Path | None = None,
    formats: Sequence[str] = ("md", "html"),
    *,
    runs: str | Path = "runs",
    detect: float | None = None,
    live: bool | None = None,
    tell: Callable[[str], object] | None = None,
) -> list[Path]:
    """Write what studies or runs say, and return the files, the first the one to open.

    Args:
        names: of studies in `runs`, or directories of studies, of runs, or of several runs.
        out: the directory; `report/` in the study's or run's own, or here where there are several, if None.
        formats: of `FORMATS`.
        runs: where names are looked for.
        detect: the difference that matters, in the score's own unit.
        live: put plotly in, so that curves can be explored; where plotly is installed, if None.
        tell: is given the answer where a page is written: two sentences, and before them whether they count.

    Raises:
        KactError: if there is nothing to report, something is damaged or missing, or a file cannot be written.
    """
    for kind in formats:
        if kind not in FORMATS:
            raise KactError.parameter("format", kind, "one of", choices=FORMATS)
    if detect is not None and not detect > 0:
        raise KactError.parameter("detect", detect, "a difference above 0, in the score's own unit")
    material = gather(names, runs)
    if detect is not None and material.score in FRACTIONS and detect >= _MOST_OF_A_FRACTION:
        raise KactError.parameter(
            "detect",
            detect,
            f"below {_MOST_OF_A_FRACTION}, as a test {field(material.score)} is between 0 and 1",
            next_step="The score's own unit is a fraction: 0.005 is half a point.",
        )
    folder = Path(out) if out is not None else home(names, Path(runs)) / "report"
    return write(material, folder, formats, detect=detect, live=live, tell=tell)


def write(
    material: Material,
    folder: Path,
    formats: Sequence[str] = ("md", "html"),
    *,
    detect: float | None = None,
    live: bool | None = None,
    tell: Callable[[str], object] | None = None,
) -> list[Path]:
    """Write what a material says into a folder, which is made; see `report`."""
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # a folder that cannot be written is told before the work is done
            pass
    written = []
    if {"md", "html"} & set(formats):
        made = page.compose(findings(material, detect))
        if tell is not None:
            tell("\n".join(filter(None, (made.quick, *made.answer, in_a_line(material)))))
        pictures = write_figures(made, folder if "md" in formats else None)
        if "html" in formats:
            interactive_too = interactive.available() if live is None else live
            written.append(_text(folder / "report.html", page.html(made, pictures, live=interactive_too)))
        if "md" in formats:
            written.append(_markdown(folder / "report.md", page.markdown(made), tell))
    for kind in ("csv", "parquet"):
        if kind in formats:
            flat.write(material.rows, folder / f"rows.{kind}")
            written.append(folder / f"rows.{kind}")
    return written


def write_figures(made: Page, folder: Path | None) -> dict[str, tuple[str, bytes]]:
    """Draw each figure of a page once, into `figures/` in a folder if there is one.

    Returns:
        Suffix and content of each, by the figure's name.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        if folder is not None:
            place = folder / "figures"
            with explained(place):
                place.mkdir(exist_ok=True)
        return {one.name: _drawn(one, place) for one in made.illustrations}


def _drawn(one: Illustration, place: Path) -> tuple[str, bytes]:
    from kact import plots

    path = place / one.file_name
    if one.figure is not None:
        plots.write(one.figure, path, text=False)
    elif one.picture is not None:
        with atomic(path) as temporary:
            temporary.write_bytes(one.picture.read_bytes())
    return path.suffix, path.read_bytes()


def _markdown(path: Path, content: str, tell: Callable[[str], object] | None) -> Path:
    """Write a report's Markdown, take away figures that only the one before had, and tell where that was another."""
    before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    _text(path, content)
    with explained(path.parent / "figures"):
        for name in set(_FIGURE.findall(before)) - set(_FIGURE.findall(content)):
            (path.parent / "figures" / name).unlink(missing_ok=True)
    (title, names), now = _subject(before), _subject(content)
    if tell is not None and title and (title, names) != now:
        tell(f"'{path.parent}' held another report, {title}{' of ' * bool(names)}{names}: it was replaced.")
    return path


def _subject(report: str) -> tuple[str, str]:
    """Return the title of a report in Markdown and, where that only counts runs, the names in its table of scores."""
    found = re.search(r"^# (.*)$", report, re.MULTILINE)
    title = found[1] if found else ""
    if not re.fullmatch(r"\d+ runs", title):
        return title, ""
    table = report.partition("## Scores\n\n")[2].partition("\n\n")[0].splitlines()[2:]  # below header and rule
    return title, ", ".join(sorted({row.split(" | ")[0].removeprefix("| ") for row in table}))


def _text(path: Path, content: str) -> Path:
    with atomic(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return path
