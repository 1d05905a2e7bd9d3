"""The main job: an Experiment in, a Run out. `python -m kact.train --task cifar10 --model lenet --activation mish`.

A run is written to disk after every epoch. Killed at any moment and started again it goes on after its last finished
epoch, and ends with the same history and weights as if nothing had happened.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kact import backend
from kact.determinism import deterministic
from kact.experiment import Experiment
from kact.runs import Run, RunDirectory
from kact.training.training import Training

if TYPE_CHECKING:
    from kact.training.progress import Progress


def run(
    experiment: Experiment,
    *,
    out: str | Path = "runs",
    device: str = "auto",
    engine: str = "auto",
    progress: Progress | None = None,
    continue_from: Run | str | Path | None = None,
    diagnose: bool = False,
) -> Run:
    """Train an experiment to its end, from wherever an earlier process left it.

    Args:
        experiment: what to train.
        out: the directory of runs; this one gets `out/<experiment.label>/`.
        device: "auto" (CUDA where there is one), "cpu" or "cuda".
        engine: "auto" (captured steps where they can be) or "stock" (Keras' own `fit`).
        progress: told of each epoch.
        continue_from: a finished run of the same experiment with fewer epochs, whose curve goes on here.
        diagnose: whether to write `diagnostics.csv`, as `kact.training.diary.Watcher` does; it changes nothing else.

    Returns:
        The finished run; the one on disk if it was finished already. A run that diverges is finished, and says so.

    Raises:
        KactError: if something about the experiment, the data or the directory is unusable; finished epochs are kept.

    Example:
        >>> import tempfile
        >>> finished = run(Experiment(task="digits", epochs=2), out=tempfile.mkdtemp())
        >>> finished.metrics["test"]["accuracy"] > 0.5
        True
    """
    directory = RunDirectory(Path(out) / experiment.label)
    if directory.finished and (found := Run.load(directory.path)).experiment == experiment:
        found.check_data()
        found.check_own_code()
        if diagnose:
            from kact.training.diary import read_diary

            read_diary(found.file("diagnostics.csv"))  # says how to get one
        return found
    backend.check_training()
    with (
        backend.run_settings(device, experiment.precision) as device_used,
        deterministic(experiment.deterministic, device_used),
    ):
        training = Training.prepare(experiment, directory, device_used, engine)
        with directory.opened(experiment):
            training.restore(continue_from)
            if diagnose:
                progress = training.watched(progress)
            training.train(progress)
            training.finish()
    return Run.load(directory.path)


if __name__ == "__main__":
    from kact.command_line import guarded
    from kact.commands.train import main

    sys.exit(guarded(lambda: main(sys.argv[1:], "python -m kact.train")))
