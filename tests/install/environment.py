"""One empty virtual environment: kact installed in it as a user would, and programs run as if on another machine.

>>> lowest(["numpy>=2.0", "torch>=2.8"], keep={"torch": "2.13.0"})
['numpy==2.0', 'torch==2.13.0']
"""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Failed(Exception):
    """A program of the environment did not do what it should; the message holds what it printed."""


def direct_dependencies() -> list[str]:
    """Return the requirements of pyproject.toml, extras left out."""
    return list(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"])


def tested_versions() -> dict[str, str]:
    """Return the versions of constraints.txt by package."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def lowest(requirements: Sequence[str], keep: Mapping[str, str]) -> list[str]:
    """Return pins to the least version that each requirement `name>=version` allows, but for those to `keep`."""
    found = []
    for requirement in requirements:
        name, least = requirement.split(">=")
        found.append(f"{name}=={keep.get(name, least)}")
    return found


@dataclass
class Environment:
    """A virtual environment in a directory of its own.

    Args:
        path: where it is made.
        python: the interpreter that makes it.
    """

    path: Path
    python: str
    _files: dict[str, tuple[int, int]] = field(default_factory=dict)

    def make(self, requirements: Sequence[str], constraints: Sequence[str]) -> None:
        """Make it and install.

        Args:
            requirements: what pip is asked for; a wheel among them.
            constraints: lines of a file for pip's --constraint.

        Raises:
            Failed: if one of the two cannot be done.
        """
        _succeed([self.python, "-m", "venv", str(self.path)], dict(os.environ))
        listed = self.path / "constraints.txt"
        listed.write_text("\n".join(constraints), encoding="utf-8")
        self.pip("install", "--quiet", "--constraint", str(listed), *requirements)
        self._files = self._present()

    def pip(self, *arguments: str) -> str:
        """Run pip, with this machine's settings of it, and return what it printed."""
        command = [str(self.path / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", *arguments]
        return _succeed(command, dict(os.environ))

    def run(
        self, command: Sequence[str], where: Path, home: Path | None, user: str | None = None, **environment: str
    ) -> str:
        """Run a program of the environment with hardly a variable set, and return what it printed.

        Args:
            command: its name, and its arguments.
            where: the working directory.
            home: what HOME says; None leaves it unset.
            user: as whom, where that is somebody else.
            environment: further variables.

        Raises:
            Failed: if it exits with anything but 0, or prints a traceback.
        """
        least = {"PATH": f"{self.path / 'bin'}:/usr/bin:/bin", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
        if home is not None:
            least["HOME"] = str(home)
        program = [str(self.path / "bin" / command[0]), *command[1:]]
        return _succeed(program, {**least, **environment}, where, user)

    def version(self) -> str:
        """Return its Python's version."""
        return self.run(["python", "-c", "import platform; print(platform.python_version())"], ROOT, None).strip()

    def changed(self) -> list[str]:
        """Return which files of site-packages are no longer as they were installed; bytecode aside."""
        now = self._present()
        return sorted(name for name in self._files.keys() | now.keys() if self._files.get(name) != now.get(name))

    def noted(self) -> None:
        """Take the files of site-packages as they are for as installed."""
        self._files = self._present()

    def owned_files(self) -> list[str]:
        """Return the files that kact itself put into site-packages."""
        return sorted(name for name in self._present() if name.startswith("kact"))

    def _present(self) -> dict[str, tuple[int, int]]:
        (packages,) = self.path.glob("lib/python3*/site-packages")
        found = {}
        for file in packages.rglob("*"):
            if file.is_file() and file.suffix != ".pyc":
                found[file.relative_to(packages).as_posix()] = (file.stat().st_size, file.stat().st_mtime_ns)
        return found


def _succeed(
    command: Sequence[str], environment: Mapping[str, str], where: Path | None = None, user: str | None = None
) -> str:
    as_whom = {} if user is None else {"user": user, "group": "nogroup", "extra_groups": ()}
    ended = subprocess.run(
        command, cwd=where, env=dict(environment), capture_output=True, text=True, check=False, **as_whom
    )  # fmt: skip
    told = ended.stdout + ended.stderr
    if ended.returncode != 0 or "Traceback" in told:
        raise Failed(f"{' '.join(command[:6])} ... ended with {ended.returncode}:\n{told[-3000:]}")
    return str(ended.stdout)
