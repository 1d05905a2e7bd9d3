"""`kact train`, and `python -m kact.train`: an experiment from flags, and a run of it.

>>> experiment, options = parse_train(["--model", "cnn", "--activation", "swish"], "kact train")
>>> experiment.task, experiment.activation, options.out
('digits', 'silu', 'runs')
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence

from kact import backend, flags
from kact.engine import ENGINES
from kact.errors import KactError, shown
from kact.experiment import Experiment
from kact.experiment_flags import read_experiment
from kact.runs import Run
from kact.settings import setting
from kact.startup import spare_tensorflow
from kact.training.tracking import TRACKERS


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """How a run is made; none of it changes what is computed."""

    out: str = setting("runs", "directory of runs")
    device: str = setting("auto", "where to train; auto is CUDA where there is one", choices=backend.DEVICES)
    engine: str = setting("auto", "captured steps where they can be, or stock Keras", choices=ENGINES)
    continue_from: str | None = setting(None, "a finished run whose curve goes on, with more --epochs")
    diagnose: bool = setting(False, "write diagnostics.csv: dead units and gradients by layer, epoch by epoch")
    track: str | None = setting(None, "log every epoch with a tracker too, on this machine", choices=TRACKERS)
    quiet: bool = setting(False, "print the summary only")


def main(arguments: Sequence[str], program: str = "kact train") -> int:
    """Run `kact train`: parse the flags, train, print where everything is, and return its exit code."""
    backend.select_default()  # of `python -m kact.train` nobody else does
    experiment, options = parse_train(arguments, program)
    from kact import describe, train
    from kact.training import progress
    from kact.training.tracking import Tracked

    spare_tensorflow()

    console = progress.Console(options.quiet)
    tracked = None if options.track is None else Tracked(options.track, console)
    try:
        with console:
            finished = train.run(
                experiment,
                out=options.out,
                device=options.device,
                engine=options.engine,
                progress=tracked or console,
                continue_from=options.continue_from,
                diagnose=options.diagnose,
            )
            if tracked is not None:
                tracked.finished(finished)
    except KeyboardInterrupt:
        command = shlex.join([*program.split(), *arguments])
        raise KeyboardInterrupt(
            f"Stopped; {console.epochs_done} of {experiment.epochs} epochs are safe. Go on with:\n  {command}"
        ) from None
    finally:
        if tracked is not None:
            tracked.close()
    if not (console.training or options.quiet):
        print(_trained_before(finished))
    print(describe.summary(finished))
    if tracked is not None and tracked.where:
        print(f"see  {tracked.where}")
    return 0


def parse_train(arguments: Sequence[str], program: str) -> tuple[Experiment, TrainOptions]:
    """Return the experiment and the options that flags and `--config FILE` describe; flags win over the file.

    Raises:
        KactError: for an unusable value.
        SystemExit: 0 after `--help`, 2 for an unknown or malformed flag.
    """
    _check_one_activation(arguments)
    description = _DESCRIPTION.format(program=program)
    experiment, options = read_experiment(arguments, program, description, flags.of_settings(TrainOptions))
    return experiment, TrainOptions(**options)


_DESCRIPTION = """Train one network with one activation, and score it on test once, at the end.

The flags below are those of the chosen --model; add --model NAME before --help to see another's.
A run goes to OUT/LABEL/ and is safe on disk after every epoch: the same command takes a stopped run up again.
--config FILE reads an experiment from TOML (a run's directory has one) or a recipe; flags win over it.

Example: {program} --task cifar10 --model lenet --activation mish --learning-rate 0.001
"""


def _trained_before(finished: Run) -> str:
    """Return that a run was there already, and what makes a new one."""
    before, now = finished.metrics["provenance"]["backend"], backend.name()
    if before != now:
        return f"It was trained on {before} before, and is not trained again; another --out trains it on {now}."
    return "It was trained to its end before, and is not trained again; another --seed or --out is a new run."


def _check_one_activation(arguments: Sequence[str]) -> None:
    for flag, _, extra in zip(arguments, arguments[1:], arguments[2:], strict=False):
        if flag == "--activation" and not extra.startswith("-"):
            raise KactError(
                f"There is no place for {shown(extra)}: a run has one activation.",
                "Several are compared by `kact compare`: give it their names.",
            )
