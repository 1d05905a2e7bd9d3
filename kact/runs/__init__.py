"""A run on disk: its `directory`, `history` by epoch, the `metrics` of its end, the `checkpoint` it goes on from.

Importing this loads no deep-learning library.
"""

from kact.runs.directory import (
    Run,
    RunDirectory,
    changed_activation,
    changed_data,
    checked,
    no_run,
    own_data_of,
)

__all__ = ["Run", "RunDirectory", "changed_activation", "changed_data", "checked", "no_run", "own_data_of"]
