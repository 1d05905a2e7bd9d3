"""History: what a run notes of each epoch, a row of numbers, and the CSV file that holds the rows.

>>> import tempfile
>>> file = Path(tempfile.mkdtemp()) / "history.csv"
>>> write_rows(file, [{"epoch": 1, "train_loss": 0.5}])
>>> read_rows(file)
[{'epoch': 1, 'train_loss': 0.5}]
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kact.storage.files import atomic

Row = dict[str, float]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, numbers in full, whole or not at all.

    Args:
        path: of the file.
        rows: at least one, all with the columns of the first.
    """
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file of numbers; epochs are whole.

    Raises:
        ValueError: if it cannot be read, or holds anything else.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [{key: int(value) if key == "epoch" else float(value) for key, value in row.items()} for row in rows]
    except (OSError, TypeError, csv.Error) as error:  # the latter of a row that is too short or too long
        raise ValueError(str(error)) from error
