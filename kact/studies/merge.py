"""Merging: the parts of a study that machines made apart become one study again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from kact.errors import KactError
from kact.files import explained
from kact.studies.directory import StudyDirectory, definition


def merge_studies(out: Path, parts: Sequence[Path]) -> int:
    """Copy the rows and run directories of several parts of one study into `out`.

    A run that is there already stays, unless it failed. Killed at any moment, the same call goes on.

    Args:
        out: the directory of the whole study; made if there is none.
        parts: directories that `kact study run --shard` made.

    Returns:
        How many rows came to `out`.

    Raises:
        KactError: if a part is none, or one of another study, or something cannot be read or written.
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
    seeds = tuple(dict.fromkeys(seed for study in studies for seed in study.seeds))
    target, added = StudyDirectory(out), 0
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
