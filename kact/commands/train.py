"""`kact train`, and `python -m kact.train`: flags made from the settings of experiments and models, and a run.

>>> experiment, options = parse_train(["--model", "cnn", "--activation", "swish"], "kact train")
>>> experiment.task, experiment.activation, options.out
('digits', 'silu', 'runs')
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kact import backend, flags
from kact.command_line import read_config
from kact.engine import ENGINES
from kact.errors import KactError, shown
from kact.experiment import Experiment, default_model
from kact.models import MODELS, PRESETS, Model, habitual_batch_norm, make_model
from kact.runs import Run, no_run
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
    flags.check_words(arguments)
    rest, config = _take([_dashed(word) for word in arguments], "--config")
    given = read_config(config) if config is not None else {}
    if (shorter := _peek(rest, "--continue-from")) is not None and config is None:
        given = read_config(str(_run_file(shorter)))
    _check_one_activation(rest)
    sizes = _model(rest, given)
    kind = type(sizes)
    defaults = {**given, "model": sizes.spec}
    named = _peek(rest, "--model") or given.get("model") or sizes
    defaults["batch_norm"] = given.get("batch_norm", habitual_batch_norm(named))
    if not given:
        defaults["task"] = kind.task
    defaults |= {field.name: getattr(sizes, field.name) for field in dataclasses.fields(kind)}
    values = flags.read(
        _parameters(kind, _tuples(defaults)),
        rest,
        program,
        _DESCRIPTION.format(program=program),
        pairs=True,
        elsewhere=lambda flag: _of_another_model(flag, kind),
    )
    options = TrainOptions(**{field.name: values.pop(field.name) for field in dataclasses.fields(TrainOptions)})
    model_sizes = {field.name: values.pop(field.name) for field in dataclasses.fields(kind)}
    return Experiment(**{**values, "model": kind(**model_sizes)}), options


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


def _of_another_model(flag: str, kind: type[Model]) -> KactError | None:
    for other in MODELS.values():
        if flag in {one.spelling for one in flags.of_settings(other)}:
            return KactError(
                f"The flag {flag} belongs to the model {other.name!r}, and this is {kind.name!r}.",
                f"Add --model {other.name}.",
            )
    return None


def _parameters(kind: type[Model], defaults: dict[str, Any]) -> list[flags.Parameter]:
    """Return all that a training takes: the experiment's settings, the model's sizes, the options."""
    said = {"model": str | None, "learning_rate": float | None}  # on a command line; a model object, a schedule are not
    for field in dataclasses.fields(kind):
        if field.name in {one.name for source in (Experiment, TrainOptions) for one in dataclasses.fields(source)}:
            raise KactError(
                f"The size {field.name!r} of the model {kind.name!r} is called as a setting of every training.",
                f"Give it a name of its own, such as {kind.name.replace('-', '_')}_{field.name}.",
            )
    parameters = [one for source in (Experiment, kind, TrainOptions) for one in flags.of_settings(source, defaults)]
    return [dataclasses.replace(one, hint=said.get(one.name, one.hint)) for one in parameters]


def _model(arguments: Sequence[str], given: dict[str, Any]) -> Model:
    """Return the model whose sizes the flags start from: the file's, or what --model or the task names."""
    stored = make_model(given["model"]) if "model" in given else None
    name = _peek(arguments, "--model")
    if name is None:
        task = _peek(arguments, "--task") or given.get("task", "digits")
        return stored or default_model(task, _peek(arguments, "--backbone") or given.get("backbone"))
    asked = make_model(name)
    same = stored is not None and name not in PRESETS and type(stored) is type(asked)
    return stored if same and stored is not None else asked  # a file's sizes hold only for the file's model


def _check_one_activation(arguments: Sequence[str]) -> None:
    for flag, _, extra in zip(arguments, arguments[1:], arguments[2:], strict=False):
        if flag == "--activation" and not extra.startswith("-"):
            raise KactError(
                f"There is no place for {shown(extra)}: a run has one activation.",
                "Several are compared by `kact compare`: give it their names.",
            )


def _run_file(directory: str) -> Path:
    file = Path(directory) / "experiment.toml"
    if not file.is_file():
        raise no_run(Path(directory))
    return file


def _dashed(word: str) -> str:
    """Return a flag as it is spelled in --help; `--batch_size` is one too."""
    name, joined, value = word.partition("=")
    return name.replace("_", "-") + joined + value if name.startswith("--") else word


def _take(arguments: list[str], flag: str) -> tuple[list[str], str | None]:
    """Return the arguments without a flag, and its value."""
    value = _peek(arguments, flag)
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == flag:
            next(words)
        elif not word.startswith(f"{flag}="):
            rest.append(word)
    return rest, value


def _peek(arguments: Sequence[str], flag: str) -> str | None:
    """Return the value of a flag: the last one where it is given twice, as the parser takes it."""
    value = None
    for i, argument in enumerate(arguments):
        if argument == flag and i + 1 == len(arguments):
            raise KactError(f"The flag {flag} needs a value.", "See what it takes with --help.")
        if argument == flag:
            value = arguments[i + 1]
        elif argument.startswith(f"{flag}="):
            value = argument.split("=", 1)[1]
    return value


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
