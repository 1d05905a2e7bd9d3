"""Where an installed kact has to work: each place trains on digits, inspects the run, lists models and studies."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.install.environment import Environment, Failed

NOBODY = "nobody"


@dataclass(frozen=True)
class Place:
    """One place.

    Attributes:
        what: in words.
        folder: the name of the working directory that is made for it.
        home: whether HOME is set, to a directory of its own.
        other_user: whether it is another user who works there.
        read_only: whether site-packages may not be written.
    """

    what: str
    folder: str = "plain"
    home: bool = True
    other_user: bool = False
    read_only: bool = False


SPACES = "mit Leerzeichen, Umläuten und 汉字"
PLACES = (
    Place("a directory like any other"),
    Place("a directory with spaces and non-ASCII letters", SPACES),
    Place("another user", "another", other_user=True),
    Place("HOME unset", "homeless", home=False),
    Place(
        "another user without a home, read-only site-packages", "guest", home=False, other_user=True, read_only=True
    ),
)  # fmt: skip
SHORT = (PLACES[1], PLACES[4])


def why_not(place: Place, environment: Environment) -> str | None:
    """Return why a place cannot be tried here, or None."""
    if not place.other_user:
        return None
    if os.geteuid() != 0:
        return "only root can become another user"
    closed = closed_to_others((environment.path / "bin" / "python").resolve())
    return None if closed is None else f"others may not enter {closed}, where its Python is"


def closed_to_others(file: Path) -> Path | None:
    """Return the directory above a file that only its owner may enter, if there is one."""
    return next((folder for folder in file.parents if not folder.stat().st_mode & stat.S_IXOTH), None)


def tried(place: Place, environment: Environment, work: Path) -> str:
    """Do what has to work in a place, and return the line that says how a run ended.

    Raises:
        Failed: if something does not, or anything in site-packages is no longer as it was installed.
    """
    folder, home = work / place.folder, work / f"home of {place.folder}"
    for made in (folder, home):
        made.mkdir(parents=True)
        if place.other_user:
            os.chown(made, *_ids(NOBODY))
    user = NOBODY if place.other_user else None

    def kact(*arguments: str) -> str:
        return environment.run(["kact", *arguments], folder, home if place.home else None, user)

    with _closed(environment) if place.read_only else contextlib.nullcontext():
        trained = kact("train", "--epochs", "1")
        (run,) = (folder / "runs").iterdir()
        inspected = kact("inspect", f"runs/{run.name}")
        listed = kact("list", "models") + kact("study", "list")
    _hold("test accuracy" in trained, f"kact train printed:\n{trained}")
    _hold(run.name in inspected and "dense1" in inspected, f"kact inspect printed:\n{inspected}")
    _hold("bilstm_tagger" in listed and "tweets-window" in listed, f"kact list, kact study list printed:\n{listed}")
    _hold(not environment.changed(), f"site-packages changed: {environment.changed()[:5]}")
    return next(line for line in trained.splitlines() if line.startswith("test accuracy")).split("  ")[0]


@contextlib.contextmanager
def _closed(environment: Environment) -> Iterator[None]:
    """Take away everybody's leave to write below an environment."""
    _each_mode(environment.path, lambda mode: mode & ~0o222)
    try:
        yield
    finally:
        _each_mode(environment.path, lambda mode: mode | stat.S_IWUSR)


def _each_mode(root: Path, change: Callable[[int], int]) -> None:
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(change(stat.S_IMODE(path.stat().st_mode)))


def _ids(user: str) -> tuple[int, int]:
    import grp
    import pwd

    return pwd.getpwnam(user).pw_uid, grp.getgrnam("nogroup").gr_gid


def _hold(true: bool, otherwise: str) -> None:
    if not true:
        raise Failed(otherwise)
