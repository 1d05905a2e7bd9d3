"""The one error that kact raises for input it cannot use.

Its text says what was wrong, what was expected and what to do next, in one or two lines, so that a command can print it
as it is.

>>> raise KactError.parameter("task", "mnits", "one of", choices=["digits", "mnist"])
Traceback (most recent call last):
kact.errors.KactError: The 'task' parameter must be one of: digits, mnist. Got 'mnits' instead. Did you mean 'mnist'?
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 300  # characters of a value that are told


class KactError(ValueError):
    """Input that kact cannot use, told so that the reader can mend it.

    Args:
        problem: one sentence or two: what was wrong and what was expected.
        next_step: what to do about it; printed on a line of its own.
        kind: by which code that tells of it in words of its own knows it: "choice" (a name that is none of a list),
            "damaged" (a file that was read is not what was written), "own code", "too large", "unfinished" or "unsafe";
            "" for any other.

    Example:
        >>> print(KactError("The file 'run.toml' is empty.", "Write at least `task = \\"digits\\"` in it."))
        The file 'run.toml' is empty.
        Write at least `task = "digits"` in it.
    """

    def __init__(self, problem: str, next_step: str = "", *, kind: str = "") -> None:
        super().__init__(problem, next_step)
        self.problem = problem
        self.next_step = next_step
        self.kind = kind

    def __str__(self) -> str:
        return f"{self.problem}\n{self.next_step}" if self.next_step else self.problem

    @classmethod
    def parameter(
        cls,
        argument: str,
        value: object,
        expected: str,
        *,
        choices: Iterable[str] = (),
        next_step: str = "",
        kind: str = "",
    ) -> KactError:
        """Return the error for one bad argument, with the choices and the nearest match.

        Args:
            argument: the parameter's name, as the caller wrote it.
            value: what was given.
            expected: what was wanted; reads after "must be".
            choices: the names that would have done, if there is a list of them.
            next_step: what to do about it.
            kind: of the error; "choice" where there are choices and none is given.
        """
        names = list(choices)
        listed = f": {', '.join(names)}" if names else ""
        guess = nearest(value, names) if isinstance(value, str) else None
        meant = f" Did you mean {guess!r}?" if guess else ""
        return cls(
            f"The {argument!r} parameter must be {expected}{listed}. Got {shown(value)} instead.{meant}",
            next_step,
            kind=kind or ("choice" if names else ""),
        )


def shown(value: object) -> str:
    """Return a value as an error tells it: as Python writes it, cut where it is long.

    Example:
        >>> shown("relu"), shown("x" * 1000)[-5:], shown(10**5000)
        ("'relu'", 'xxxx…', 'a value that is too long to write')
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits; tables in tables in tables
        return "a value that is too long to write"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice most like `word`, or None when nothing is near.

    Example:
        >>> nearest("Cifar-10", ["mnist", "cifar10"])
        'cifar10'
    """
    if len(word) > _LONGEST:
        return None
    by_key = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(word.lower(), by_key, n=1, cutoff=0.55)
    return by_key[found[0]] if found else None


# As torch, NumPy, operating systems and, where C code had no memory even for its error, Python itself say it.
_NO_MEMORY = (
    *("allocate memory", "out of memory", "bad_alloc", "unable to allocate", "failed to map segment"),
    *("without exception set", "without setting an exception"),
)


def no_memory(error: BaseException) -> bool:
    """Return whether an error, or one that it came of, says that the machine, or a GPU, has no memory left.

    Example:
        >>> no_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")), no_memory(OSError())
        (True, False)
    """
    if isinstance(error, MemoryError) or any(said in str(error).lower() for said in _NO_MEMORY):
        return True
    before = error.__cause__ or error.__context__
    return before is not None and no_memory(before)
