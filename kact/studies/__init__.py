"""Studies: a grid of experiments times seeds, run to its end and reported honestly.

Importing this loads no deep-learning library.
"""

from kact.studies.directory import StudyDirectory
from kact.studies.row import ResultRow

__all__ = ["ResultRow", "StudyDirectory"]
