"""`python -m tuning --task cifar`: search, then train the best again, score it once on test, and say what came out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kact import backend
from kact.command_line import guarded
from kact.errors import KactError
from tuning.workers import CHILD, KEEP, follow_parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one search, or the part of one that KerasTuner's variables name, and return the exit code.

    0: there is a best configuration; 1: no trial finished; 2: the input was unusable; 130: stopped by Ctrl-C.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    child = bool(os.environ.get(CHILD))
    follow_parent()

    def work() -> int:
        from tuning.command_line import parse_tune, project_of

        plan, options = parse_tune(given)
        backend.select_default()
        if options.workers > 1:
            os.environ.setdefault("OMP_NUM_THREADS", "1")  # before a library reads it: a core is a worker's
        try:
            import keras_tuner  # noqa: F401 - asked for once, where it can be explained
        except ModuleNotFoundError as error:
            if error.name != "keras_tuner":
                raise
            raise KactError("Tuning needs KerasTuner.", "pip install 'kact[tuning]', or `make tune`.") from None
        from tuning.distributed import role
        from tuning.run import play, tune

        project = project_of(plan, options)
        part = role()
        if part:
            return play(part, plan, project, options.device, child, bool(os.environ.get(KEEP)))
        return tune(plan, Path(project), options, given)

    return guarded(work)


if __name__ == "__main__":
    sys.exit(main())
