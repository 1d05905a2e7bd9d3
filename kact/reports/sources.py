"""Where a report's results come from: a study in runs/, a study's directory, a run's, or a folder of runs.

>>> find("lenet", Path("runs/of/nobody"))
Traceback (most recent call last):
kact.errors.KactError: There is no study or run 'lenet': it is no directory, and 'runs/of/nobody' holds none so called.
Run a study first: kact study run NAME
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kact.errors import KactError, nearest
from kact.reports.material import Material
from kact.reports.numbers import key
from kact.reports.pooling import pool
from kact.runs import Run
from kact.studies.directory import StudyDirectory
from kact.studies.row import ResultRow
from kact.studies.study import Study
from kact.studies.study_file import study_names
from kact.studies.tune import choose_settings

_TOLD = 8  # names in an error
DATABASE, STUDY, EXPERIMENT, CONCLUSION = "results.sqlite", "study.toml", "experiment.toml", "conclusion.md"


def gather(names: Sequence[str], runs: str | Path = "runs") -> Material:
    """Return what the named studies and runs hold, as one material.

    Args:
        names: of studies in `runs`, or directories of studies, of runs, or of several runs.
        runs: where names are looked for.

    Raises:
        KactError: if one is not there or damaged, or there is no finished run in any.
    """
    if not names:
        raise KactError("There is nothing to report.", "Name studies or runs: kact report NAME_OR_DIRECTORY ...")
    studies, plain = [], []
    for folder in _once(find(name, Path(runs)) for name in names):
        if _is_study(folder):
            studies.append((folder, of_study(folder)))
        else:
            plain += [folder] if (folder / EXPERIMENT).is_file() else _runs_in(folder)
    plain = _once(plain)  # a folder of runs may be named beside one of them
    materials = [*_told_apart(studies), *of_runs(plain)]
    if not any(material.compared for material in materials):
        raise _nothing(materials, names, plain, studies)
    return materials[0] if len(materials) == 1 and studies else pool(materials)


def _once(folders: Iterable[Path]) -> list[Path]:
    """Return each directory once, by its first spelling."""
    found: dict[Path, Path] = {}
    for folder in folders:
        found.setdefault(folder.resolve(), folder)
    return list(found.values())


def _told_apart(studies: Sequence[tuple[Path, Material]]) -> list[Material]:
    """Return studies with names of their own: where two are called alike, their directories."""
    names = [one.name for _, one in studies]
    return [dataclasses.replace(one, name=str(folder)) if names.count(one.name) > 1 else one for folder, one in studies]


def find(name: str, runs: Path) -> Path:
    """Return the directory that a name means.

    Raises:
        KactError: if there is none, with the nearest name that there is.
    """
    for folder in (Path(name), runs / name):
        if folder.is_dir() and _holds_results(folder):
            return folder
    folders = [one for one in runs.iterdir() if _holds_results(one)] if runs.is_dir() else []
    known = [one.name for one in sorted(folders, key=lambda one: (not _is_study(one), one.name))]  # studies first
    guess = nearest(name, known)
    meant = f" Did you mean {guess!r}?" if guess else ""
    if Path(name).is_dir() or (runs / name).is_dir():
        place = name if Path(name).is_dir() else runs / name
        raise KactError(
            f"'{place}' holds no study and no run: neither {STUDY} nor {EXPERIMENT} is in it.{meant}",
            "Run a study first: kact study run NAME",
        )
    if guess:
        step = f"Try: kact report {guess}"
    elif name in study_names():
        step = f"Run that study first: kact study run {name}"
    else:
        step = f"In it: {_some(known)}." if known else "Run a study first: kact study run NAME"
    raise KactError(
        f"There is no study or run {name!r}: it is no directory, and '{runs}' holds none so called.{meant}", step
    )


def _some(names: Sequence[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more


def home(names: Sequence[str], runs: Path) -> Path:
    """Return where a report goes unless it is said: into the one study or run, or here where there are several."""
    return find(names[0], runs) if len(names) == 1 else Path()


def of_study(folder: Path) -> Material:
    """Return the results of a study's directory.

    Raises:
        KactError: if its database or its study file is damaged.
    """
    directory = StudyDirectory(folder)
    study, rows = directory.study(), tuple(directory.rows())
    return Material(
        name=study.name or folder.name,
        rows=rows,
        factors=telling(study),
        compare=study.compare,
        score=study.score,
        title=study.title,
        question=study.question,
        source=", ".join(filter(None, (study.source, study.study and f"study {study.study}"))),
        notes=tuple(study.notes),
        published=tuple(study.published),
        figures=tuple(study.figures),
        quick=study.quick,
        conclusion=_conclusion(folder / CONCLUSION),
        planned=study.run_count("compare"),
        tuned={} if study.tune is None else study.tune.grid,
        within=() if study.tune is None else study.tune.within,
        tuned_epochs=None if study.tune is None else study.tune.epochs,
        chosen={} if study.tune is None else {key(group): one for group, one in choose_settings(study, rows).items()},
        folders={row.path: folder / row.path for row in rows},
    )


def _conclusion(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise KactError(f"Cannot read '{file}': {why}.", "Mend it, or move it away.") from None


def of_runs(folders: Sequence[Path]) -> list[Material]:
    """Return plain runs as a material; as several where an experiment comes with one seed more than once.

    Runs that are not finished are counted as missing.

    Raises:
        KactError: if one is damaged.
    """
    unfinished = [folder for folder in folders if not (folder / "metrics.json").is_file()]
    groups: list[dict[tuple[str, int], tuple[Path, ResultRow]]] = []
    for folder in folders:
        if folder not in unfinished:
            row = _row(folder)
            place = (row.hash, row.seed)
            group = next((one for one in groups if place not in one), None)
            if group is None:
                groups.append(group := {})
            group[place] = (folder, row)
    remarks = tuple(f"The run {folder.name} is not finished and is left out." for folder in unfinished)
    return [
        Material(
            name=str(next(iter(group.values()))[0]),
            title=next(iter(group.values()))[0].name if len(group) == 1 else f"{len(group)} runs",
            rows=tuple(row for _, row in group.values()),
            factors={"activation": tuple(dict.fromkeys(row.cell["activation"] for _, row in group.values()))},
            planned=len(group) + (len(unfinished) if i == 0 else 0),
            remarks=remarks if i == 0 else (),
            folders={row.path: folder for folder, row in group.values()},
        )
        for i, group in enumerate(groups)
    ]


def _row(folder: Path) -> ResultRow:
    run = Run.load(folder)
    return ResultRow(
        hash=run.experiment.hash,
        seed=run.experiment.seed,
        stage="compare",
        cell={"activation": run.experiment.activation},
        experiment=run.experiment.to_dict(),
        status=run.metrics["status"],
        metrics=run.metrics,
        history=run.history,
        path=str(folder),
    )


def telling(study: Study) -> dict[str, tuple[Any, ...]]:
    """Return the factors that tell cells apart: of those that go together in a zip, as few as will do.

    The compared one is kept first, then those that a figure asks for, then labels, which were made to be read.
    """
    asked = {part for figure in study.figures for part in figure.split(":")[1:]}
    left_out: set[str] = set()
    for group in study.zips:
        names = {name.removeprefix("label."): values for name, values in group.items()}
        labels = [name.removeprefix("label.") for name in group if name.startswith("label.")]
        preferred = [study.compare, *(name for name in names if name in asked), *labels, *names]
        kept: list[str] = []
        for name in dict.fromkeys(name for name in preferred if name in names):
            rows = {key([names[one][i] for one in kept]) for i in range(len(names[name]))}
            if len(rows) == len(names[name]) and kept and name not in asked:
                left_out.add(name)
            else:
                kept.append(name)
    return {name: values for name, values in study.factors.items() if name not in left_out}


def _holds_results(folder: Path) -> bool:
    if _is_study(folder) or (folder / EXPERIMENT).is_file():
        return True
    return folder.is_dir() and bool(_runs_in(folder))


def _is_study(folder: Path) -> bool:
    return (folder / DATABASE).is_file() or (folder / STUDY).is_file()  # the second alone: begun, and nothing done


def _runs_in(folder: Path) -> list[Path]:
    return sorted(file.parent for file in folder.glob(f"*/{EXPERIMENT}"))


def _nothing(
    materials: Sequence[Material], names: Sequence[str], plain: Sequence[Path], studies: Sequence[tuple[Path, Material]]
) -> KactError:
    begun = sum(len(material.rows) for material in materials)
    what = f"has {begun} tuning runs and none that is compared yet" if begun else "has no finished run yet"
    said = f"There is nothing to report: {', '.join(names)} {what}."
    step = f"kact train --config {plain[0] / EXPERIMENT}" if plain else f"kact study run {studies[0][0]}"
    return KactError(said, f"Go on with: {step}")
