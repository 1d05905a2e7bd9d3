"""Study files: a study as TOML, bundled with kact or one's own, and as it is kept beside its results.

>>> "cifar-lenet" in study_names()
True
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kact.errors import KactError, nearest, shown
from kact.settings import thawed
from kact.storage.seals import check_toml
from kact.studies.factors import check_table
from kact.studies.study import Study
from kact.studies.tune import Tune

_FOLDER = Path(__file__).parent
_QUICK_WHOLE = ("seeds", "zip", "title", "notes", "published")  # what [quick] gives anew; tables it changes key by key
_QUICK_KEYS = (*_QUICK_WHOLE, "base", "grid", "tune")
_KEYS = tuple("zip" if field.name == "zips" else field.name for field in dataclasses.fields(Study))


def study_names() -> list[str]:
    """Return the names of all bundled studies."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_study(name_or_path: str | Path, quick: bool = False) -> Study:
    """Return a bundled study by its name, or one in a TOML file, or the one that a study's directory holds.

    Args:
        name_or_path: such as "cifar-lenet", "my-study.toml" or "runs/cifar-lenet".
        quick: apply what the file's [quick] table changes.

    Raises:
        KactError: if there is none, or its file is unusable; it names the file.

    Example:
        >>> load_study("cifar-lenet").study
        '1a'
    """
    path = _file(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise KactError(f"Cannot read the study '{path}': {error.strerror}.", "Give a TOML file.") from None
    except UnicodeDecodeError as error:
        raise KactError(
            f"The study '{path}' is no UTF-8 text: see its byte {error.start}.",
            "If you wrote it, save it as UTF-8; else delete it and give `kact study run` again.",
        ) from None
    try:
        check_toml(text)
    except ValueError as error:
        raise KactError(
            f"The study '{path}' is damaged: {error}.",
            "If you changed it on purpose, delete its last line; else delete it and give `kact study run` again.",
        ) from None
    try:
        return from_toml(text, path.stem, quick)
    except tomllib.TOMLDecodeError as error:
        raise KactError(f"The study '{path}' is not valid TOML: {error}.", "Mend that line.") from None
    except KactError as error:
        raise KactError(f"The study '{path}': {error.problem}", error.next_step) from None


def from_toml(text: str, name: str, quick: bool = False) -> Study:
    """Return the study that a TOML text describes.

    Args:
        text: TOML, as `to_toml` writes it or as it was written by hand.
        name: of the study, where the text has none.
        quick: apply what [quick] changes.

    Raises:
        tomllib.TOMLDecodeError: if it is no TOML.
        KactError: if it describes no usable study.
    """
    try:
        given = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of numbers and tables beyond what Python reads, too
        raise tomllib.TOMLDecodeError(str(error)) from None
    changes = given.pop("quick", {})
    already = changes is True  # as it was run: nothing is left to change
    _known(given, _KEYS, "study file")
    if changes is not True:
        check_table("quick", changes)
        _known(changes, _QUICK_KEYS, "[quick] table")
        for key in ("zip", "published"):
            _check_tables(f"quick: {key}", changes.get(key, []))
    for key in ("base", "grid", "tune"):
        check_table(key, given.get(key, {}))
    for key in ("zip", "published"):
        _check_tables(key, given.get(key, []))
    if quick and not changes:
        raise KactError("there is no table [quick] in it.", "Run it whole, or say in [quick] what to change.")
    if quick:
        given = given if already else _quickened(given, changes)
    given["zips"] = given.pop("zip", [])
    tuned = given.pop("tune", None)
    if tuned is not None:
        about = {key: tuned[key] for key in ("seeds", "within") if key in tuned}
        if "epochs" in tuned and not isinstance(tuned["epochs"], list):  # a list would be candidates
            about["epochs"] = tuned["epochs"]
        about.setdefault("seeds", 1)
        given["tune"] = Tune({key: value for key, value in tuned.items() if key not in about}, **about)
    settings: dict[str, Any] = {"name": name, "header": _header(text), "quick": quick or already, **given}
    return Study(**settings)


def to_toml(study: Study) -> str:
    """Return a study as TOML, comment on top, quick changes applied and noted."""
    import tomli_w

    plain: dict[str, Any] = {}
    for field in dataclasses.fields(study):
        value = getattr(study, field.name)
        if field.name in ("header", "tune", "zips", "published") or value in ((), "", False) or value == {}:
            continue
        plain[field.name] = thawed(value)
    if study.zips:
        plain["zip"] = thawed(study.zips)
    if study.tune is not None:
        length = {} if study.tune.epochs is None else {"epochs": study.tune.epochs}
        plain["tune"] = thawed({**study.tune.grid, "seeds": study.tune.seeds, "within": study.tune.within, **length})
    if study.published:
        plain["published"] = thawed(study.published)
    comment = "".join(f"# {line}".rstrip() + "\n" for line in study.header.splitlines())
    return comment + tomli_w.dumps(plain)


def _file(name_or_path: str | Path) -> Path:
    """Return the file of a study: a path, a study's directory, or where there is neither a bundled name."""
    path, names = Path(name_or_path), study_names()
    if (path / "study.toml").is_file():
        return path / "study.toml"
    if path.is_file():
        return path
    if str(name_or_path) in names:
        return _FOLDER / f"{name_or_path}.toml"
    known = {one: one for one in names}
    for file in sorted(path.parent.glob("*.toml")):
        known |= {file.stem: str(file), file.name: str(file)}
    guess = nearest(path.name, known)
    meant = f" Did you mean {known[guess]!r}?" if guess else ""
    what = "file" if path.suffix == ".toml" else "study"
    raise KactError(
        f"There is no {what} {str(name_or_path)!r}.{meant}", "See `kact study list`, or give a TOML file of your own."
    )


def _quickened(given: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a file's content with the changes of its [quick] table."""
    found = {**given, **{key: value for key, value in changes.items() if key in _QUICK_WHOLE}}
    for key in ("base", "grid", "tune"):
        change = changes.get(key, {})
        check_table(f"quick: {key}", change)
        if key == "grid":
            _known(change, tuple(given.get("grid", {})), "[quick] grid")
        if change or key in given:
            found[key] = {**given.get(key, {}), **change}
    found["published"] = [one for one in found.get("published", []) if _is_left(one, found)]
    return found


def _is_left(entry: Any, given: Mapping[str, Any]) -> bool:
    """Return whether a published entry's cell is among those of the quick form."""
    cell = entry.get("cell", {})
    values = [*given.get("grid", {}).items(), *(pair for group in given.get("zip", []) for pair in group.items())]
    if not isinstance(cell, Mapping) or not all(isinstance(listed, list) for _, listed in values):
        return True  # what is wrong with it is told later, as of any study
    return all(cell.get(name.removeprefix("label."), listed[0]) in listed for name, listed in values if listed)


def _known(given: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in names:
            guess = nearest(key, names)
            meant = f" Did you mean {guess!r}?" if guess else ""
            raise KactError(f"there is no key {shown(key)} in a {where}.{meant}", f"Its keys: {', '.join(names)}.")


def _check_tables(where: str, given: Any) -> None:
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise KactError.parameter(where, given, f"tables, each under [[{where}]]")


def _header(text: str) -> str:
    """Return the comment on top, without its marks."""
    lines: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)
