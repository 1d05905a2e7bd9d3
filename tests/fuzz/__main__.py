"""`python -m tests.fuzz`: feed targets new inputs until their time is up; what they find is printed and kept.

python -m tests.fuzz --minutes 10 specs results_databases
"""

import argparse
import importlib
import logging
import os
import sys
import time
import traceback
import warnings
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.fuzz import samples
from tests.fuzz.targets import TARGETS

DATABASE = Path(".hypothesis") / "fuzz"


def main(arguments):
    """Return 1 if something was found, else 0; 2 for a target that there is not."""
    for file in sorted(Path(__file__).parent.glob("test_fuzz_*.py")):
        importlib.import_module(f"tests.fuzz.{file.stem}")
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all unless said: {', '.join(TARGETS)}")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.targets if name not in TARGETS]
    if unknown:
        print(f"There is no target {unknown[0]!r}. There are: {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    os.environ["KACT_CACHE_DIR"] = str(samples.scratch() / "cache")
    os.environ["TFDS_DATA_DIR"] = str(samples.scratch() / "no-data")
    warnings.simplefilter("error")
    warnings.filterwarnings(
        "ignore", "__array__ implementation doesn't accept a copy keyword"
    )  # as pyproject.toml has it
    warnings.filterwarnings("ignore", r"(currentThread|getName)\(\) is deprecated")  # likewise
    logging.getLogger("kact").setLevel(logging.ERROR)  # of files that are not the published ones, in their thousands
    found = []
    for name in given.targets or TARGETS:
        one, began = TARGETS[name], time.monotonic()
        try:
            one.fuzz(60 * given.minutes, DATABASE)
            said = "nothing"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            traceback.print_exc()
            said = "a find, see above"
            found.append(name)
        print(f"{name:24} {one.inputs:>9,} inputs  {time.monotonic() - began:6.0f} s  {said}", flush=True)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
