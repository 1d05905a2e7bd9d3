"""How every command ends, by its exit code and in a line or two, and what `--config` names.

0 means done, 1 that the work itself failed, 2 that the input was unusable, 130 that it was stopped by Ctrl-C.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
import tomllib
from collections.abc import Callable
from typing import Any

from kact.errors import KactError, no_memory
from kact.experiment import Experiment
from kact.recipes import config_path


def guarded(work: Callable[[], int]) -> int:
    """Run a command's work; turn its errors and Ctrl-C into a line or two on stderr and an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a letter that the terminal does not have is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    atexit.register(gc.freeze)  # with Keras and torch loaded, looking for garbage at the very end takes two seconds
    try:
        return work()
    except KactError as error:
        print(f"kact: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"\n{str(stop) or 'Stopped.'}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(130)  # at once: TensorFlow's data threads, cut off in mid-epoch, may block an orderly exit for ever
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except (MemoryError, OSError, RuntimeError, SystemError, ImportError) as error:
        said = of_the_machine(error)
        if said is None:
            raise
        print(f"kact: {said}", file=sys.stderr)
        return 1


def of_the_machine(error: Exception) -> str | None:
    """Return what the machine refused, with the next step; None for an error that is a mistake in a program."""
    if no_memory(error):
        return "No memory is left.\nEnd other programs or take a smaller --batch-size; what was finished is kept."
    if isinstance(error, OSError) and error.errno is not None:
        place = f" '{error.filename}'" if error.filename is not None else ""
        return f"Cannot read or write{place}: {error.strerror}.\nMend that and give the same command again."
    return None


def read_config(given: str) -> dict[str, Any]:
    """Return what the file that `--config` names says of an experiment, and no more than that.

    Raises:
        KactError: if it cannot be used as an experiment; it names the file.
    """
    path = config_path(given)
    Experiment.load(path)
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _interrupt(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt
