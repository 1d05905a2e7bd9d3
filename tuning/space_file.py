"""Space files: hyper-parameters and their ranges in TOML, with the experiment that they belong to where they need one.

>>> found = read_space("cifar-l2")
>>> found.study, found.tuner, found.experiment["model"], len(found.ranges["l2"]["values"])
('4c', 'grid', 'cifar-mlp-3x256', 9)
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kact.errors import KactError, nearest
from tuning.space import HYPERPARAMETERS

_FOLDER = Path(__file__).with_name("spaces")
_WORDS = ("study", "tuner", "experiment")


@dataclass(frozen=True)
class SpaceFile:
    """What a space file says.

    Attributes:
        study: the number of the published study that it repeats; "" for one of your own.
        tuner: the one that it is meant for; "" if it does not say.
        experiment: fields of the experiment that is tuned; what is given on the command line wins.
        ranges: hyper-parameter name to its table.
    """

    study: str = ""
    tuner: str = ""
    experiment: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, Any] = field(default_factory=dict)


def space_names() -> list[str]:
    """Return the names of the spaces that come with kact."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def read_space(given: str) -> SpaceFile:
    """Return what a space file says.

    Args:
        given: a path, or where there is no such file the name of a space that comes with kact.

    Raises:
        KactError: if there is neither, the file is not TOML, or a key of it is unknown.
    """
    path = Path(given)
    if not path.exists():
        guess = nearest(given, space_names())
        if given not in space_names():
            meant = f" Did you mean {guess!r}?" if guess else ""
            raise KactError(
                f"There is no space file '{given}'.{meant}", f"Give a TOML file or one of: {', '.join(space_names())}."
            )
        path = _FOLDER / f"{given}.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise KactError(f"Cannot read the space '{given}': {reason}.", "Give a TOML file.") from None
    except (ValueError, RecursionError) as error:
        raise KactError(f"'{given}' is not valid TOML: {error}.", "Mend that line.") from None
    for key in content:
        if key not in _WORDS and key not in HYPERPARAMETERS:
            raise KactError.parameter(
                f"space file '{given}'", key, "made of tables among", choices=[*HYPERPARAMETERS, *_WORDS]
            )
    for key, kind in (("study", str), ("tuner", str), ("experiment", dict)):
        if not isinstance(content.get(key, kind()), kind):
            wanted = "a table" if kind is dict else "a string"
            raise KactError.parameter(f"{key} of '{given}'", content[key], wanted)
    words = {key: content.pop(key) for key in _WORDS if key in content}
    return SpaceFile(**words, ranges=content)
