"""Install kact as users do, in empty environments, and see that it works: `make test-install ARGS=--short`.

The sdist is built from the working tree, and the wheel from the sdist. Then, in an environment each:

- this interpreter, the versions of constraints.txt: import time, `pip check`, every place of `tests.install.places`,
  and the sdist in the wheel's stead;
- this interpreter, the lowest version of each direct dependency that pyproject.toml allows (torch aside: see --torch);
- every other Python that is found by name, the versions of constraints.txt.

`--short` is the first of these in two places, for CI.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.install.environment import ROOT, Environment, Failed, direct_dependencies, lowest, tested_versions
from tests.install.places import PLACES, SHORT, SPACES, closed_to_others, tried, why_not

NAMES = ("python3.11", "python3.12", "python3.13")
IMPORT = "import time; began = time.perf_counter(); import kact; print(time.perf_counter() - began)"
WANTED_SECONDS = 0.5


def main() -> int:
    """Do all of it, print a line each, and return 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.install", description=__doc__.split("\n\n")[0])
    parser.add_argument("--short", action="store_true", help="one environment, two places")
    parser.add_argument("--python", nargs="+", default=NAMES, help="interpreters, by name or path")
    parser.add_argument(
        "--torch", metavar="VERSION", help="the torch of the lowest versions; the tested one unless said"
    )
    given = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory(prefix="kact install ") as made:
        work = Path(made)
        work.chmod(0o755)  # for the other user
        wheel, sdist = build(work)
        for line in checks(work, wheel, sdist, given):
            failed = line.startswith("FAILED")
            failures += failed
            print(line if failed else f"ok      {line}" if not line.startswith("skipped") else line, flush=True)
    print(f"\n{'nothing failed' if not failures else f'{failures} failed'}")
    return int(failures > 0)


def build(work: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from it; of what git knows, so that no build of before slips in."""
    source = work / "source"
    source.mkdir()
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(work / "dist"), str(source)], capture_output=True, text=True
    )
    if built.returncode != 0:
        raise SystemExit(f"The build failed:\n{built.stdout[-2000:]}{built.stderr[-2000:]}")
    (wheel,), (sdist,) = (work / "dist").glob("*.whl"), (work / "dist").glob("*.tar.gz")
    return wheel, sdist


def tracked() -> list[str]:
    """Return the files of the working tree that git knows, or does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def checks(work: Path, wheel: Path, sdist: Path, given: argparse.Namespace) -> Iterator[str]:
    """Yield a line for each thing that was tried: what came of it, or "FAILED" or "skipped" and why."""
    yield attempted("the wheel:", lambda: held(wheel))
    newest = [f"{name}=={version}" for name, version in tested_versions().items()]
    here = this_python()
    first = Environment(work / f"{SPACES}, newest", here)
    yield from environment_checks("tested versions", first, [str(wheel)], newest)
    for place in SHORT if given.short else PLACES:
        yield attempted(f"{place.what}:", lambda place=place: tried(place, first, work), why_not(place, first))
    if given.short:
        return
    yield attempted("the sdist in its stead:", lambda: sdist_instead(first, sdist))
    shutil.rmtree(first.path, ignore_errors=True)
    keep = {"torch": given.torch or tested_versions()["torch"]}
    oldest = Environment(work / "lowest", here)
    yield from environment_checks(
        f"lowest versions, torch {keep['torch']}", oldest, [str(wheel)], lowest(direct_dependencies(), keep)
    )
    yield attempted("a directory like any other:", lambda: tried(PLACES[0], oldest, work / "of lowest"))
    shutil.rmtree(oldest.path, ignore_errors=True)
    for name in given.python:
        path = found(name)
        if path is None:
            yield f"skipped {name}: there is none here"
        elif Path(path).name != Path(here).name:  # the same version is done
            other = Environment(work / Path(name).name, path)
            yield from environment_checks("tested versions", other, [str(wheel)], newest)
            yield attempted(
                "a directory like any other:",
                lambda other=other: tried(PLACES[0], other, work / f"of {other.path.name}"),
            )
            shutil.rmtree(other.path, ignore_errors=True)


def held(wheel: Path) -> str:
    """Return how many files of kact the wheel holds, which must be all that git knows."""
    wanted = {name for name in tracked() if name.startswith("kact/")}
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    if wanted != found:
        raise Failed(f"It lacks or adds: {sorted(wanted ^ found)}")
    return f"all {len(found)} files of kact and no other"


def environment_checks(
    what: str, environment: Environment, requirements: list[str], constraints: list[str]
) -> Iterator[str]:
    """Yield what comes of installing into an environment, of `pip check` and of importing kact."""
    began = time.perf_counter()

    def install() -> str:
        environment.make(requirements, constraints)
        return f"{environment.version()}, {time.perf_counter() - began:.0f} s"

    yield attempted(f"installed with {what}: Python", install)
    yield attempted("pip check:", lambda: environment.pip("check").strip())
    yield attempted("import kact:", lambda: import_seconds(environment))


def import_seconds(environment: Environment) -> str:
    """Return the least of five times that `import kact` takes in a fresh process, in words."""
    least = min(float(environment.run(["python", "-c", IMPORT], ROOT.parent, None)) for _ in range(5))
    return f"{least:.3f} s, the least of 5 (wanted: below {WANTED_SECONDS} s)"


def sdist_instead(environment: Environment, sdist: Path) -> str:
    """Install the sdist over the wheel, and hold its files to the wheel's."""
    before = environment.owned_files()
    environment.pip("install", "--quiet", "--no-deps", "--force-reinstall", str(sdist))
    after = environment.owned_files()
    if [name for name in before if ".dist-info" not in name] != [name for name in after if ".dist-info" not in name]:
        raise Failed(f"It installs other files: {sorted(set(before) ^ set(after))}")
    environment.run(["kact", "list", "models"], ROOT.parent, None)
    return f"{len(after)} files, the same"


def this_python() -> str:
    """Return an interpreter of this version, if there is one such that other users may run as well."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [path for path in map(found, (sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}")) if path]
    return next((path for path in candidates if closed_to_others(Path(path)) is None), candidates[0])


def found(name: str) -> str | None:
    """Return the interpreter behind a name, if there is one that runs."""
    path = shutil.which(name)
    if path is None:
        return None
    asked = subprocess.run([path, "-c", "import sys; print(sys._base_executable)"], capture_output=True, text=True)
    return asked.stdout.strip() if asked.returncode == 0 else None  # a shim may stand for none


def attempted(what: str, work: Callable[[], str], why_not: str | None = None) -> str:
    """Return `what` with what came of `work`, or that it failed, or why it was not tried."""
    if why_not is not None:
        return f"skipped {what}: {why_not}"
    try:
        return f"{what} {work()}"
    except (Failed, OSError) as error:
        return f"FAILED  {what}\n{error}"


if __name__ == "__main__":
    sys.exit(main())
