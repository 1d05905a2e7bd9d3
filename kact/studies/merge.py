"""Merging: the parts of a study that machines made apart become one study again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from kact.errors import KactError
from kact.runs import OwnCode
from kact.storage.files import explained
from kact.studies.directory import StudyDirectory, definition


def merge_studies(out: Path, parts: Sequence[Path]) -> int:
    """Copy the rows and run directories of several parts of one study into `out`.

    A run that is there already stays, unless it failed, and so do the seeds of a study that is there. Killed at any
    moment, the same call goes on.

    Args:
        out: the directory of the whole study; made if there is none.
        parts: directories that `kact study run --shard` made.

    Returns:
        How many rows came to `out`.

    Raises:
        KactError: if a part is none, or it or `out` is of another study, data or code, or something cannot be read or
            written.
    """
    if not parts:
        raise KactError("There is nothing to merge.", "Give the directories of the parts.")
    sources = [StudyDirectory(part) for part in parts]
    studies = [source.study() for source in sources]
    for source, study in zip(sources, studies, strict=True):
        if definition(study) != definition(studies[0]):
            raise KactError(
                f"'{source.path}' is part of another study than '{sources[0].path}'.",
                "Give the parts of one study, all in its quick form or none.",
            )
        if source.is_running():
            raise KactError(f"The study in '{source.path}' is running.", "Wait for it, or stop it: kact study stop")
    target, added = StudyDirectory(out), 0
    begun = [target] if (out / "study.toml").is_file() and target.table.rows() else []
    _check_alike([*begun, *sources])
    whole = [*(one.study() for one in begun), *studies]
    seeds = tuple(dict.fromkeys(seed for study in whole for seed in study.seeds))
    with target.opened(studies[0].replace(seeds=seeds)):
        for source in sources:
            there = target.table.statuses()
            for row in source.table.rows():
                if there.get((row.stage, row.hash, row.seed), "failed") != "failed":
                    continue
                _copy(source.path / row.path, out / row.path)
                target.table.add(row)
                added += 1
    return added


def _check_alike(parts: Sequence[StudyDirectory]) -> None:
    """Refuse parts whose runs saw different data, such as two machines' copies, or different code of one's own."""
    data: dict[tuple[str, str], tuple[str, Path]] = {}
    code: dict[str, tuple[OwnCode, Path]] = {}
    for part in parts:
        for row in part.table.rows():
            noted = (row.metrics or {}).get("provenance", {})
            if not noted.get("data"):
                continue
            task = str(row.experiment.get("task")), str(row.experiment.get("data", ""))
            saw, where = data.setdefault(task, (noted["data"], part.path))
            if saw != noted["data"]:
                raise KactError(
                    f"'{part.path}' and '{where}' hold runs of the task {task[0]!r} that saw different data.",
                    "Run one of them again on the other's data; `kact report` of each says what it is of.",
                )
            applied, named = OwnCode.noted(noted), json.dumps([row.experiment[one] for one in ("activation", "model")])
            before, where = code.setdefault(named, (applied, part.path))
            if what := before.changed(applied):
                raise KactError(
                    f"'{part.path}' and '{where}' hold runs of one {what} of your own that was changed between them.",
                    "Run one of them again with the other's.",
                )


def _copy(source: Path, target: Path) -> None:
    """Copy a run's directory, so that it is whole or not there."""
    if not source.is_dir() or (target / "metrics.json").is_file():
        return
    temporary = target.with_name(f".{target.name}.part")
    with explained(target):
        for stale in (temporary, target):
            if stale.exists():
                shutil.rmtree(stale)
        shutil.copytree(source, temporary)
        os.replace(temporary, target)
