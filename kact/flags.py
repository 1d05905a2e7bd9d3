"""Flags of commands: what a function takes, or settings, read by tyro; what it cannot read is told as kact's errors.

>>> from typing import Annotated
>>> def bake(loaf: Annotated[str, Flag("what is baked", "LOAF", positional=True)],
...          minutes: Annotated[int, Flag("in the oven")] = 40) -> str:
...     return f"{loaf}: {minutes}"
>>> call(bake, ["rye", "--minutes", "50"], "bake")
'rye: 50'
>>> call(bake, ["rye", "--minutes", "many"], "bake")
Traceback (most recent call last):
kact.errors.KactError: The '--minutes' parameter must be a whole number. Got 'many' instead.
"""

from __future__ import annotations

import collections
import dataclasses
import inspect
import math
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from kact.errors import KactError, nearest, shown
from kact.settings import range_in_words

T = TypeVar("T")

REQUIRED = inspect.Parameter.empty
_NOUNS = {int: "a whole number", float: "a number"}
_HELP = ("-h", "--help")


@dataclasses.dataclass(frozen=True)
class Flag:
    """What `--help` says of a parameter, in its annotation: `Annotated[int, Flag("labels to print an image")]`.

    Args:
        help: one line, in lower case.
        metavar: stands for the value; its type does unless said.
        name: of the flag, where it is not the parameter's own.
        positional: given by its place, without a flag.
        repeated: a tuple whose flag is given once for each value.
    """

    help: str
    metavar: str | None = None
    name: str | None = None
    positional: bool = False
    repeated: bool = False


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of a command: its name, its type, its default (or `REQUIRED`), and what is said of it."""

    name: str
    hint: Any
    default: Any
    flag: Flag

    @property
    def spelling(self) -> str:
        """The flag as it is typed, such as `--learning-rate`."""
        return "--" + (self.flag.name or self.name).replace("_", "-")

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The types of one value; without None, which is a default only."""
        return tuple(_element(one) for one in _options(self.hint) if one is not types.NoneType)

    @property
    def many(self) -> bool:
        """Whether it takes all words up to the next flag."""
        return any(typing.get_origin(one) is tuple for one in _options(self.hint)) and not self.flag.repeated


def call(function: Callable[..., T], given: Sequence[str], program: str, about: str | None = None) -> T:
    """Return what a function returns with the arguments that a command line gives it.

    Args:
        function: its parameters are annotated with `Flag`.
        given: the command line, without the program.
        program: how the command is called, for `--help`.
        about: what it does, for `--help`; the function's docstring unless said.

    Raises:
        KactError: for a flag that there is not, a value of another type, or something that is missing.
        SystemExit: 0 after `--help`.
    """
    return function(**read(of_function(function), given, program, about or inspect.getdoc(function) or ""))


def of_function(function: Callable[..., Any]) -> list[Parameter]:
    """Return those of a function's parameters that are annotated with `Flag`."""
    hints = typing.get_type_hints(function, include_extras=True)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if typing.get_origin(hints[name]) is Annotated:
            hint, flag = typing.get_args(hints[name])
            found.append(Parameter(name, hint, parameter.default, flag))
    return found


def of_settings(settings: type, defaults: Mapping[str, Any] | None = None) -> list[Parameter]:
    """Return a dataclass's fields as parameters, `--help` with their choices and ranges.

    Args:
        settings: its fields are declared with `kact.settings.setting`.
        defaults: by name, in place of the fields' own.
    """
    hints, own = typing.get_type_hints(settings), defaults or {}
    return [
        Parameter(field.name, hints[field.name], own.get(field.name, field.default), Flag(_help(field)))
        for field in dataclasses.fields(settings)
    ]


def read(
    parameters: Sequence[Parameter],
    given: Sequence[str],
    program: str,
    about: str,
    *,
    pairs: bool = False,
    elsewhere: Callable[[str], KactError | None] = lambda flag: None,
) -> dict[str, Any]:
    """Return the values that a command line gives to parameters, by name.

    Args:
        parameters: in the order of `--help`.
        given: the command line, without the program.
        program: how the command is called.
        about: what it does.
        pairs: whether every switch has its `--no-` too, as where a file may have set it.
        elsewhere: says of a flag that there is not here where it is, if anywhere.

    Raises:
        KactError: for a flag that there is not, a value of another type, or something that is missing.
        SystemExit: 0 after `--help`.
    """
    import tyro

    check_words(given)
    _check(parameters, given, program, pairs, elsewhere)
    fields: list[Any] = []
    for one in parameters:
        default = dataclasses.field() if one.default is REQUIRED else dataclasses.field(default=one.default)
        fields.append((one.name, _annotated(one, pairs), default))
    flags: Any = dataclasses.make_dataclass("Flags", fields, frozen=True)
    config = () if pairs else (tyro.conf.FlagCreatePairsOff,)
    parsed: Any = tyro.cli(flags, args=list(given), prog=program, description=about, config=config)
    return {one.name: getattr(parsed, one.name) for one in parameters}


def check_words(given: Sequence[str]) -> None:
    """Raise for a word that no terminal gives, and that no file can be called: one with a NUL, or half a character.

    Raises:
        KactError: for the first such word.
    """
    for word in given:
        try:
            possible = b"\0" not in os.fsencode(word)
        except UnicodeEncodeError:
            possible = False
        if not possible:
            raise KactError(f"{shown(word)} is no text that a file could be called.", "Take that character out.")


def _annotated(parameter: Parameter, pairs: bool) -> Any:
    import tyro

    flag, default = parameter.flag, parameter.default
    metavar, hint = flag.metavar, parameter.hint
    if metavar is None and types.NoneType in _options(hint) and len(parameter.kinds) == 1 and not parameter.many:
        metavar = parameter.kinds[0].__name__.upper()  # else it is told as {None}|INT
    untold = default is None or default is False or default in ("", ()) or (default is True and not pairs)
    hint_of_default = "" if untold else None  # tyro's own, "(default: 3)" or "(required)"
    if default is REQUIRED and parameter.many:
        hint_of_default = "(required)"  # which tyro tells of one value only
    extras = [tyro.conf.arg(name=flag.name, metavar=metavar, help=flag.help, help_behavior_hint=hint_of_default)]
    extras += [tyro.conf.Positional] if flag.positional else []
    extras += [tyro.conf.UseAppendAction] if flag.repeated else []
    annotated: Any = Annotated
    return annotated[(hint, *extras)]


def _help(field: dataclasses.Field[Any]) -> str:
    about = field.metadata  # of a class of one's own it may be empty: nothing but a default need be said there
    allowed = ", ".join(about.get("choices", ())) or range_in_words(about)
    return f"{about.get('help', '')}{f' [{allowed}]' if allowed else ''}".strip()


def _check(
    parameters: Sequence[Parameter],
    given: Sequence[str],
    program: str,
    pairs: bool,
    elsewhere: Callable[[str], KactError | None],
) -> None:
    """Raise, in two lines, for the first word that these parameters have no use for, or for one that is missing."""
    flags = {one.spelling: one for one in parameters if not one.flag.positional}
    switches = {flag: one for flag, one in flags.items() if one.kinds == (bool,) and (pairs or one.default is True)}
    negated = {flag.replace("--", "--no-", 1): one for flag, one in switches.items()}
    known = {**{flag: one for flag, one in flags.items() if pairs or flag not in switches}, **negated}
    words, placed = collections.deque(given), []
    while words:
        word = words.popleft()
        if word in _HELP:
            return
        if not _is_flag(word):
            placed.append(word)
            continue
        name, is_joined, joined = word.partition("=")
        spelled = name.replace("_", "-")
        if spelled not in known:
            raise elsewhere(spelled) or _no_such(spelled, [*known, "--help"])
        one = known[spelled]
        values = [joined] if is_joined else []
        while words and not is_joined and not _is_flag(words[0]) and len(values) < _most(one):
            values.append(words.popleft())
        _check_values(one, spelled, values)
    _check_places([one for one in parameters if one.flag.positional], placed, program)


def _is_flag(word: str) -> bool:
    """Return whether a word is meant as a flag: not a lone dash, and no negative number."""
    return word.startswith("-") and len(word) > 1 and not (word[1].isdigit() or word[1] == ".")


def _most(parameter: Parameter) -> float:
    if parameter.kinds == (bool,):
        return 0
    return math.inf if parameter.many else 1


def _check_values(parameter: Parameter, flag: str, values: Sequence[str]) -> None:
    if parameter.kinds == (bool,):
        if values:
            raise KactError(f"The flag {flag} takes no value. Got {shown(values[0])}.", f"Write {flag} alone.")
        return
    if not values and not parameter.many:
        raise KactError(f"The flag {flag} needs a value.", "See what it takes with --help.")
    for value in values:
        _check_value(parameter, value)


def _check_value(parameter: Parameter, value: str) -> None:
    if len(parameter.kinds) != 1 or (value == "None" and types.NoneType in _options(parameter.hint)):
        return
    kind = parameter.kinds[0]
    if typing.get_origin(kind) is Literal and value not in typing.get_args(kind):
        raise KactError.parameter(parameter.spelling, value, "one of", choices=typing.get_args(kind))
    if kind in _NOUNS:
        try:
            kind(value)
        except ValueError:
            raise KactError.parameter(parameter.spelling, value, _NOUNS[kind]) from None


def _check_places(places: Sequence[Parameter], words: Sequence[str], program: str) -> None:
    """Raise where a word has no place, or a place that must be filled has no word."""
    needed = [one for one in places if one.default is REQUIRED]
    if len(words) < len(needed):
        one = needed[len(words)]
        name = (one.flag.metavar or one.name.upper()).removesuffix(" ...")
        raise KactError(f"{name} is missing: {one.flag.help}.", f"See what it takes with `{program} --help`.")
    if len(words) > len(places) and not any(one.many for one in places):
        taken = " ".join(one.flag.metavar or one.name.upper() for one in places)
        only = f"takes {taken} and flags" if taken else "takes flags only"
        extra = words[len(places)]
        raise KactError(f"There is no place for {shown(extra)}: `{program}` {only}.", "See them with --help.")


def _no_such(flag: str, known: Sequence[str]) -> KactError:
    guess = nearest(flag.lstrip("-"), [one.lstrip("-") for one in known])  # dashes are alike in all of them
    meant = f" Did you mean --{guess}?" if guess else ""
    return KactError(f"There is no flag {flag}.{meant}", "See them all with --help.")


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _element(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else hint
