"""What kact stands on: every package, direct or not, with version, licence and who needs it, as docs/dependencies.md.

    python -m docs.dependencies          write the file
    python -m docs.dependencies --check  say what keeps it from being up to date, or a licence from being known

What is told is what the packages themselves say (https://packaging.python.org/en/latest/specifications/core-metadata),
read with `importlib.metadata` where all extras are installed.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FILE = Path(__file__).with_suffix(".md")
RUNTIME = "runtime"

# Licences that a project under Apache-2.0 may stand on: permissive ones, and MPL-2.0, which keeps to its own files.
COMPATIBLE = (
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CNRI-Python", "ISC", "MIT", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib",
)  # fmt: skip
# As packages wrote it before there was a field for an SPDX expression.
_SPELLINGS = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "osi approved :: apache software license": "Apache-2.0",
    "bsd license": "BSD",
    "bsd": "BSD",
    "bsd 3-clause": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "2-clause bsd": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "isc license (iscl)": "ISC",
    "isc license": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
}
_BY_HAND = {"namex": "Apache-2.0"}  # says it in its LICENSE file alone
_HEAD = """# Dependencies

What kact stands on, made by `make licenses` with every extra installed (Linux, Python 3.11). Versions are those of
`constraints.txt`; the licence is what the package itself says. "BSD" is where it does not say with how many clauses.
None is bundled with kact. A test fails where a licence is unknown, or not one that a project under Apache-2.0 may
stand on.

| package | version | licence | for |
| --- | --- | --- | --- |
"""


@dataclass
class Dependency:
    """One package that is installed.

    Attributes:
        name: as package indexes spell it.
        version: without what tells builds of it apart.
        licence: an SPDX expression; "" where it is not known.
        extras: of kact that need it, directly or not; `RUNTIME` for what is always needed.
    """

    name: str
    version: str
    licence: str
    extras: set[str] = field(default_factory=set)

    @property
    def row(self) -> str:
        """Its line in the file."""
        needed = RUNTIME if RUNTIME in self.extras else ", ".join(sorted(self.extras))
        return f"| {self.name} | {self.version} | {self.licence or 'unknown'} | {needed} |"


def dependencies() -> tuple[list[Dependency], list[str]]:
    """Return what is installed of what kact needs, by name, and the names of what is not installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: dict[str, Dependency] = {}
    missing: set[str] = set()
    for extra, wanted in {RUNTIME: project["dependencies"], **project["optional-dependencies"]}.items():
        _follow([Requirement(one) for one in wanted], extra, found, missing)
    return sorted(found.values(), key=lambda one: one.name), sorted(missing)


def _follow(wanted: Iterable[Requirement], extra: str, found: dict[str, Dependency], missing: set[str]) -> None:
    """Note the requirements of one of kact's extras, and theirs, and theirs."""
    left, seen = [(one, "") for one in wanted], set()
    while left:
        one, asked = left.pop()
        if one.marker is not None and not one.marker.evaluate({"extra": asked}):
            continue
        name = canonicalize_name(one.name)
        for inner in ("", *sorted(one.extras)):
            if (name, inner) in seen:
                continue
            seen.add((name, inner))
            try:
                about = importlib.metadata.distribution(name)
            except importlib.metadata.PackageNotFoundError:
                missing.add(name)
                continue
            version = about.version.partition("+")[0]
            found.setdefault(name, Dependency(name, version, licence_of(about))).extras.add(extra)
            left += [(Requirement(line), inner) for line in about.requires or []]


def licence_of(about: importlib.metadata.Distribution) -> str:
    """Return the licence of an installed package as an SPDX expression, or "" where it says none that is known."""
    told = about.metadata.get("License-Expression")
    if told:
        return str(told)
    name = canonicalize_name(about.metadata["Name"])
    classified = [line.split(" :: ")[-1] for line in about.metadata.get_all("Classifier") or [] if "License ::" in line]
    own = str(about.metadata.get("License") or "").strip().removeprefix("UNKNOWN")  # what setuptools wrote for nothing
    title, _, rest = own.partition("\n")
    # A short name goes before the class; where the whole text of a licence stands in its place, its title or the class.
    for text in (own,) if own and not rest else (title.strip(), *classified):
        if known := spdx(text):
            return known
    return _BY_HAND.get(name, "")


def spdx(text: str) -> str:
    """Return how SPDX calls a licence, or "" for one that is not known.

    Example:
        >>> spdx("Apache Software License"), spdx("MIT OR Apache-2.0"), spdx("proprietary")
        ('Apache-2.0', 'MIT OR Apache-2.0', '')
    """
    short = _SPELLINGS.get(text.lower(), text)
    return short if short and all(one in COMPATIBLE for one in parts(short)) else ""


def parts(expression: str) -> list[str]:
    """Return the licences in an SPDX expression.

    Example:
        >>> parts("MPL-2.0 AND (Apache-2.0 OR MIT)")
        ['MPL-2.0', 'Apache-2.0', 'MIT']
    """
    return [one.strip(" ()") for one in re.split(r"\s(?:AND|OR)\s", expression)]


def faults(found: Sequence[Dependency]) -> list[str]:
    """Return a line for each package whose licence is not known, or not one that kact may stand on."""
    return [
        f"{one.name} {one.version}: its licence is {one.licence or 'unknown'}"
        for one in found
        if not one.licence or not all(part in COMPATIBLE for part in parts(one.licence))
    ]


def written() -> dict[str, str]:
    """Return the rows of the file by package."""
    lines = FILE.read_text(encoding="utf-8").splitlines() if FILE.is_file() else []
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines if re.match(r"\| (?!package |---)", line)}


def main(arguments: Sequence[str]) -> int:
    """Write the file, or check it; return 1 where something is wrong."""
    found, missing = dependencies()
    wrong = faults(found)
    if missing:
        wrong.append(f"not installed, so that nothing is known of them: {', '.join(missing)}")
    if "--check" in arguments:
        rows = written()
        wrong += [
            f"docs/dependencies.md has another row of {one.name}" for one in found if rows.get(one.name) != one.row
        ]
    elif not missing:
        FILE.write_text(_HEAD + "\n".join(one.row for one in found) + "\n", encoding="utf-8")
        print(f"{FILE.relative_to(ROOT)}  ({len(found)} packages)")
    for line in wrong:
        print(line, file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
