"""Flags of an experiment: made from its settings and from its model's sizes, on top of a file's values.

>>> experiment, others = read_experiment(["--model", "cnn", "--activation", "swish"], "bake", "Bake a network.", [])
>>> experiment.task, experiment.activation, others
('digits', 'silu', {})
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from kact import flags
from kact.command_line import read_config
from kact.errors import KactError
from kact.experiment import Experiment, default_model
from kact.models import MODELS, PRESETS, Model, habitual_batch_norm, make_model
from kact.runs import no_run


def read_experiment(
    arguments: Sequence[str],
    program: str,
    about: str,
    others: Sequence[flags.Parameter],
    without: Collection[str] = (),
) -> tuple[Experiment, dict[str, Any]]:
    """Return the experiment that flags and `--config FILE` describe, flags winning over the file, and other values.

    Without a file the experiment begins as that of the run that `--continue-from` names, where there is such a flag.

    Args:
        arguments: the command line, without the program.
        program: how the command is called.
        about: what it does, for `--help`.
        others: what it takes beside the experiment; those given by their place come first in `--help`.
        without: settings of the experiment that have no flag here; a file may have them.

    Raises:
        KactError: for an unusable value, or a flag that there is not.
        SystemExit: 0 after `--help`.
    """
    flags.check_words(arguments)
    rest, config = _take([_dashed(word) for word in arguments], "--config")
    given = read_config(config) if config is not None else {}
    if (shorter := _peek(rest, "--continue-from")) is not None and config is None:
        given = read_config(str(_run_file(shorter)))
    sizes = _model(rest, given)
    kind = type(sizes)
    defaults = {**given, "model": sizes.spec}
    named = _peek(rest, "--model") or given.get("model") or sizes
    defaults["batch_norm"] = given.get("batch_norm", habitual_batch_norm(named))
    if not given:
        defaults["task"] = kind.task
    defaults |= {field.name: getattr(sizes, field.name) for field in dataclasses.fields(kind)}
    settings = [one for one in _settings(_tuples(defaults)) if one.name not in without]
    model = flags.of_settings(kind, _tuples(defaults))
    _check_names(kind, model, [*settings, *others])
    placed = [one for one in others if one.flag.positional]
    values = flags.read(
        [*placed, *settings, *model, *(one for one in others if not one.flag.positional)],
        rest,
        program,
        about,
        pairs=True,
        elsewhere=lambda flag: _of_another_model(flag, kind),
    )
    beside = {one.name: values.pop(one.name) for one in others}
    model_sizes = {field.name: values.pop(field.name) for field in dataclasses.fields(kind)}
    kept = {name: given[name] for name in without if name in given}
    return Experiment.from_dict({**kept, **values, "model": kind(**model_sizes)}), beside


def _settings(defaults: dict[str, Any]) -> list[flags.Parameter]:
    """Return the experiment's settings as they are said on a command line; a model object, a schedule are not."""
    said = {"model": str | None, "learning_rate": float | None}
    return [
        dataclasses.replace(one, hint=said.get(one.name, one.hint)) for one in flags.of_settings(Experiment, defaults)
    ]


def _check_names(kind: type[Model], sizes: Sequence[flags.Parameter], others: Sequence[flags.Parameter]) -> None:
    """Raise if a size of a model is called as another flag."""
    for name in (one.name for one in sizes):
        if name in {one.name for one in others}:
            raise KactError(
                f"The size {name!r} of the model {kind.name!r} is called as another flag.",
                f"Give it a name of its own, such as {kind.name.replace('-', '_')}_{name}.",
            )


def _of_another_model(flag: str, kind: type[Model]) -> KactError | None:
    for other in MODELS.values():
        if flag in {one.spelling for one in flags.of_settings(other)}:
            return KactError(
                f"The flag {flag} belongs to the model {other.name!r}, and this is {kind.name!r}.",
                f"Add --model {other.name}.",
            )
    return None


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
