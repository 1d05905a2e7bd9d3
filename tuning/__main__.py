"""`python -m tuning --task cifar`: search, then train the best again, score it once on test, and say what came out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from kact import backend
from kact.command_line import guarded
from kact.errors import KactError
from kact.processes import ONE_THREAD


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one search, or the part of one that KerasTuner's variables name, and return the exit code.

    0: there is a best configuration; 1: no trial finished; 2: the input was unusable; 130: stopped by Ctrl-C.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)

    def work() -> int:
        from tuning.command_line import parse_tune, project_of, role
        from tuning.workers import open_nursery

        backend.select_default()  # before a module of one's own may import Keras
        plan, options = parse_tune(given)
        part = role()
        if find_spec("keras_tuner") is None:
            raise KactError("Tuning needs KerasTuner.", "pip install 'kact[tuning]', or `make tune`.")
        if options.workers > 1 and not part:
            for name, value in ONE_THREAD.items():
                os.environ.setdefault(name, value)
            open_nursery()
        from tuning.run import play, tune

        project = project_of(plan, options)
        if part:
            return play(part, plan, project, options.device, child=False, again=False)
        return tune(plan, project, options)

    return guarded(work)


if __name__ == "__main__":
    sys.exit(main())
