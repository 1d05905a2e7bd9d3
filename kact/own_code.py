"""Code of the user's own, named as `package.module:name`: imported, and where that fails told what to mend.

>>> imported("math:erf", "activation", callable, "a function")(0.0)
0.0
"""

from __future__ import annotations

import importlib
import sysconfig
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kact.errors import KactError, nearest

KIND = "own code"  # of errors of it
_LONGEST_NAME = 100  # of a file that is looked for
_NOT_OWN = ("<", str(Path(__file__).parent), *(sysconfig.get_path(one) for one in ("stdlib", "purelib", "platlib")))


def imported(path: str, parameter: str, fits: Callable[[Any], bool], wanted: str) -> Any:
    """Import and return what a path names.

    Args:
        path: `package.module:name`.
        parameter: whose value it is, for errors.
        fits: says of a value whether it is of the kind that is wanted.
        wanted: that kind, in words.

    Raises:
        KactError: if the module or the name is not there, the module fails, or what it holds is of another kind.
    """
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        missing = getattr(error, "name", None) or module_name
        if isinstance(error, ModuleNotFoundError) and not f"{module_name}.".startswith(f"{missing}."):
            raise KactError(
                f"The module {module_name!r} of the {parameter!r} {path!r} needs {missing!r}, which is not installed.",
                f"Install {missing}, or do without it in {module_name!r}.",
                kind=KIND,
            ) from error
        raise KactError(
            f"The {parameter!r} {path!r} needs the module {module_name!r}, which cannot be imported: {error}.",
            "Start from the folder that holds it, put that folder on PYTHONPATH, or install the package."
            if not module_name.endswith(".py")
            else f"Leave off the ending: {module_name.removesuffix('.py')}:{name}",
            kind=KIND,
        ) from error
    except Exception as error:  # of whatever kind: it is somebody's own code
        raise KactError(
            f"The module {module_name!r} of the {parameter!r} {path!r} fails: {said(error)}.",
            "Mend it there.",
            kind=KIND,
        ) from error
    found = getattr(module, name, None)
    if found is None:
        guess = nearest(name, [other for other, value in vars(module).items() if fits(value)])
        meant = f" Did you mean {guess!r}?" if guess else ""
        raise KactError(
            f"The module {module_name!r} of the {parameter!r} {path!r} has no {name!r}.{meant}",
            "Write the name behind the colon as the module has it."
            if module_name != "__main__"
            else "It was written in a script or notebook. Put it in a file of its own, where others find it too.",
            kind=KIND,
        )
    if not fits(found):
        raise KactError.parameter(parameter, path, f"the path of {wanted}", kind=KIND)
    return found


def way_in(name: str, kind: str) -> str:
    """Return how one's own is named where a name is not known, by the file of that name if there is one here.

    Args:
        name: that is not known.
        kind: of what is named, "function" or "Class".

    Example:
        >>> way_in("bump", "function")
        'Your own goes in as `package.module:function`.'
    """
    if name.isidentifier() and len(name) <= _LONGEST_NAME and Path(f"{name}.py").is_file():
        return f"{name}.py is here: what is in it goes in as `{name}:{kind}`, with that {kind.lower()}'s name."
    return f"Your own goes in as `package.module:{kind}`."


def named_in(experiment: Mapping[str, Any]) -> str:
    """Return what of an experiment is code of somebody's own: "activation", "model", or "" for nothing.

    Args:
        experiment: as plain values, such as those of its TOML, of which nothing is imported.

    Example:
        >>> named_in({"activation": "mish", "model": {"name": "residual:Residual"}})
        'model'
    """
    model = experiment.get("model")
    if ":" in str(experiment.get("activation", "")):
        return "activation"
    return "model" if ":" in str(model.get("name", "") if isinstance(model, Mapping) else model) else ""


def said(error: Exception) -> str:
    """Return an error of somebody's own code in one line: its kind, what it says, and the line of that code.

    Example:
        >>> said(ValueError("no such width"))
        'ValueError: no such width'
    """
    words = str(error).strip().partition("\n")[0][:200].rstrip(".")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_NOT_OWN)]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    if isinstance(error, SyntaxError):
        where = ""  # it says so itself
    return f"{type(error).__name__}{': ' if words else ''}{words}{where}"
