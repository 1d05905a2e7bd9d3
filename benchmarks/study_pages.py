"""The pages of docs/results: runs a study and lays its report there, with what it cost and on which machine.

python -m benchmarks.study_pages cifar-lenet --quick             # into docs/results/quick/cifar-lenet.md
python -m benchmarks.study_pages mnist-linear-units --figures 4  # in full, into docs/results/studies/
python -m benchmarks.study_pages runs/cifar-lenet-quick          # a page only, of a study that was run before

With every page the list of all bundled studies, docs/results/README.md, is written anew, with the answers of the full
ones. Beside a full study's page are the whole report as one HTML file, and its rows, for a report of one's own; copied
into runs/NAME they are where `kact study run runs/NAME` goes on. What somebody concludes from them is in
`rows/NAME/conclusion.md`.

A study that was stopped goes on, and what its parts cost is added up. One worker of one thread, so that CPU seconds of
two studies can be set side by side.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from kact.errors import KactError
from kact.reports.answer import answer
from kact.reports.findings import findings
from kact.reports.own_rates import own_rates
from kact.reports.page import compose, escaped, html, markdown
from kact.reports.sources import CONCLUSION, gather
from kact.reports.write import write_figures
from kact.studies.study import Study
from kact.studies.study_file import load_study, study_names

PAGES = Path("docs/results")
_COST = "cost.json"
_BUSY = 0.8  # of the time by the clock, that one worker has of a core if nobody else wants it
_JPEG = "CIFAR-10 is a copy here whose images are JPEG (quality 75): accuracies run a little below the original's."

_INDEX = """# Studies, and where their results are

Each is a file of [kact/studies](../../kact/studies) and one command: `kact study run NAME`, or with `--quick` its quick
form, which takes minutes on 2 CPU cores, shows that it works and how its report looks, and proves nothing: what is
first there may be last in full. `kact study show NAME` says what a study trains, and for how long. Those with
a number repeat studies of five sources: 1 and 2 are course reports of 2021, 3 homework of 2022, 4 a mini-challenge of
2022, 5 an article of 2024. Their settings and their scores are in the studies' files, and stand beside ours on the
pages. The others are our own.

Most full studies are hours, or a GPU's work: the last column has those that were run, if any. Single networks are in
[MNIST](mnist.md), [tweets](tweets.md) and [transfer](transfer.md); and [why GELU failed in study 1b](gelu-failures.md).

| number | study | what | quick form | in full |
| --- | --- | --- | --- | --- |
"""


def main(arguments: list[str] | None = None) -> int:
    """Run each study that is named, and write its page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study_pages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("studies", nargs="+", help="names of bundled studies, or directories of studies that were run")
    parser.add_argument("--quick", action="store_true", help="their quick forms")
    parser.add_argument("--runs", default="runs", help="where they are run")
    parser.add_argument("--figures", type=int, default=1, help="how many figures of the report are kept")
    given = parser.parse_args(arguments)
    try:
        for name in given.studies:
            folder = Path(name)
            if not folder.is_dir():
                folder = Path(given.runs) / (f"{name}-quick" if given.quick else name)
                run(name, folder, quick=given.quick)
            print(write_page(folder, given.figures))
    except KactError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        write_index()
    return 0


def run(name: str, folder: Path, *, quick: bool) -> None:
    """Run what is missing of a study, and note what it cost beside its results.

    Raises:
        KactError: if the study does not come to its end.
    """
    command = [sys.executable, "-m", "kact", "study", "run", name, *["--quick"] * quick]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--workers", "1", "--out", str(folder)], env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    _, status, usage = os.wait4(process.pid, 0)  # its workers' seconds are among its own once it has waited for them
    process.returncode = os.waitstatus_to_exitcode(status)
    before = _cost(folder)
    cost = {
        "workers": 1,
        "machine": f"{os.cpu_count()} CPU cores ({platform.machine()})",
        "cpu_seconds": usage.ru_utime + usage.ru_stime + before.get("cpu_seconds", 0.0),
        "wall_seconds": time.perf_counter() - began + before.get("wall_seconds", 0.0),
    }
    if folder.is_dir():
        (folder / _COST).write_text(json.dumps(cost, indent=2) + "\n")
    if process.returncode:
        raise KactError(f"The study {name!r} ended with code {process.returncode}.", "The lines above say why.")


def write_page(folder: Path, figures: int) -> Path:
    """Write a study's page and the first of its figures into docs/results, and return the page."""
    study, found = load_study(folder), findings(gather([str(folder)]))
    rows = PAGES / _rows(study.name)
    concluded = (rows / CONCLUSION).read_text(encoding="utf-8").strip() if (rows / CONCLUSION).is_file() else ""
    whole = dataclasses.replace(compose(found), conclusion="" if study.quick else concluded)
    kept = tuple(dataclasses.replace(one, name=f"{study.name}-{one.name}") for one in whole.figures[:figures])
    page = dataclasses.replace(whole, tuning=(), figures=kept)
    target = PAGES / ("quick" if study.quick else "studies")
    target.mkdir(parents=True, exist_ok=True)
    write_figures(page, target)
    if not study.quick:
        rows.mkdir(parents=True, exist_ok=True)
        if folder.resolve() != rows.resolve():
            shutil.copyfile(folder / "study.toml", rows / "study.toml")
            _copy_database(folder / "results.sqlite", rows / "results.sqlite")
        whole_page = html(whole, write_figures(whole, None), live=False)
        (target / f"{study.name}.html").write_text(whole_page, encoding="utf-8")
    path = target / f"{study.name}.md"
    path.write_text(markdown(page).replace("\n## ", f"\n{_origin(study, folder)}\n## ", 1), encoding="utf-8")
    return path


def write_index() -> Path:
    """Write the list of bundled studies with the pages that are there, in the order of their numbers, and return it."""
    rows, answers = [], []
    for study in sorted(map(load_study, study_names()), key=lambda study: (study.study or "0", study.name)):
        pages = [f"[{words}]({place})" if (PAGES / place).is_file() else "" for words, place in _places(study.name)]
        rows.append(f"| {study.study} | `{study.name}` | {escaped(study.title)} | {' | '.join(pages)} |")
        if pages[-1]:
            found = findings(gather([str(PAGES / _rows(study.name))]))
            verdict, _, *more = answer(found, own_rates(found))
            told = escaped(" ".join([verdict, *more]))
            concluded = (PAGES / _rows(study.name) / CONCLUSION).is_file()
            held = f" [What holds of it, and what does not](studies/{study.name}.md#conclusion)." if concluded else ""
            answers.append(f"- **[{escaped(study.title)}](studies/{study.name}.md):** {told}{held}")
    begun = [
        one.name for one in sorted((PAGES / _rows("")).glob("*")) if not (PAGES / f"studies/{one.name}.md").is_file()
    ]
    if begun:
        names = ", ".join(f"`{name}`" for name in begun)
        place = PAGES / _rows("NAME")
        rows.append(
            f"\nBegun in full: {names}. Copy {place} to runs/NAME, and `kact study run runs/NAME` goes on with it."
        )
    path = PAGES / "README.md"
    said = ["", "## What the full ones found", "", *answers] if answers else []
    path.write_text(_INDEX + "\n".join([*rows, *said]) + "\n")
    return path


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database with what is in its write-ahead log."""
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


def _rows(name: str) -> str:
    """Return where a full study's rows are kept, all that its report needs, and all that it needs to go on."""
    return f"studies/rows/{name}"


def _places(name: str) -> tuple[tuple[str, str], ...]:
    return ("quick", f"quick/{name}.md"), ("in full", f"studies/{name}.md")


def _origin(study: Study, folder: Path) -> str:
    """Return the command, its cost and the data's blemish, as Markdown."""
    cost = _cost(folder)
    flags = " --quick" * study.quick + (f" --workers {cost['workers']}" if cost else "")
    told = f"`kact study run {study.name}{flags}`, then `kact report`"
    if cost:
        cpu = f"{cost['cpu_seconds']:.0f} s of CPU, " if "cpu_seconds" in cost else ""
        told += f": {cpu}{cost['wall_seconds']:.0f} s by the clock, on {cost['machine']}"
        told += " that other work used too" * (cost.get("cpu_seconds", math.inf) < _BUSY * cost["wall_seconds"])
    jpeg = f" {_JPEG}" * str(study.base["task"]).startswith("cifar10")
    whole = f" The whole report is [one file]({study.name}.html), and all its rows are kept:"
    rows = "" if study.quick else f"{whole} `kact report {PAGES}/{_rows(study.name)} --out report`."
    return f"{told}.{jpeg}{rows}\n"


def _cost(folder: Path) -> dict[str, Any]:
    path = folder / _COST
    return dict(json.loads(path.read_text())) if path.is_file() else {}


if __name__ == "__main__":
    sys.exit(main())
