"""A run on disk: its `directory`, `history` by epoch, the `metrics` of its end, the `checkpoint` it goes on from,
and `changes` of the user's own data and code since it was begun.

Importing this loads no deep-learning library.
"""

from kact.runs.changes import OwnCheck, OwnCode, changed_data, has_own, own_data_of
from kact.runs.directory import (
    Run,
    RunDirectory,
    checked,
    no_run,
)

__all__ = ["OwnCheck", "OwnCode", "Run", "RunDirectory", "changed_data", "checked", "has_own", "no_run", "own_data_of"]
