"""`kact report`: print the answer that studies or runs give, and where the page of it is."""

from pathlib import Path
from typing import Annotated, Literal

from kact.flags import Flag, call
from kact.reports import write

_ABOUT = """Say what a study found, or any runs: the answer first, tables with intervals, figures, what it cannot say.
Made from results alone, also while a study runs. One study goes to its own folder, several to ./report.

  kact report lenet-activations            runs/lenet-activations/report/report.html, .md and figures
  kact report runs/A runs/B                two runs, or studies: what differs is what is compared
  kact report NAME --format csv parquet    the rows, for a spreadsheet or pandas
  kact report NAME --detect 0.005          count the seeds that a difference of half a point would need
"""
_LIVE = {"auto": None, "yes": True, "no": False}
_MEGABYTE = 1_000_000


def main(arguments: list[str]) -> int:
    """Run `kact report` and return its exit code."""

    def report(
        names: Annotated[
            tuple[str, ...],
            Flag("studies in --runs, or directories of studies or runs", "NAME_OR_DIRECTORY ...", positional=True),
        ] = (),
        out: Annotated[str | None, Flag("where the report goes", "FOLDER")] = None,
        format: Annotated[tuple[str, ...], Flag("of md, html, csv, parquet", "FORMAT ...")] = ("md", "html"),
        runs: Annotated[str, Flag("where names are looked for", "FOLDER")] = "runs",
        detect: Annotated[
            float | None,
            Flag("a difference that matters, in the score's own unit; 0.01 (a point) of an accuracy"),
        ] = None,
        interactive: Annotated[
            Literal["auto", "yes", "no"],
            Flag("put plotly into the page, 2 MB, to explore curves; auto: where it is installed"),
        ] = "auto",
    ) -> int:
        for path in write.report(names, out, format, runs=runs, detect=detect, live=_LIVE[interactive], tell=print):
            print(f"{path}{_size(path)}")
        return 0

    return call(report, arguments, "kact report", _ABOUT)


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"  ({size / _MEGABYTE:.1f} MB in one file, to open or to mail)" if path.suffix == ".html" else ""
