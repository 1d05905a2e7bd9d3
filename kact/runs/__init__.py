"""A run on disk: its `directory`, the `history` of its epochs, the `metrics` it ends with, the `checkpoint` it goes on from.

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
