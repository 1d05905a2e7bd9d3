"""Importing kact changes nothing: no library of weight loaded, no setting made, no file written, nothing printed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import kact

pytestmark = pytest.mark.any_backend

CODE = """
import locale, logging, os, random, signal, sys, threading, warnings

def state():
    handlers = {one: signal.getsignal(one) for one in signal.valid_signals()}
    return {
        "environment": dict(os.environ), "directory": os.getcwd(), "path": list(sys.path), "handlers": handlers,
        "filters": list(warnings.filters), "threads": threading.enumerate(), "chance": random.getstate(),
        "log": (logging.root.handlers[:], logging.root.level), "locale": locale.setlocale(locale.LC_ALL),
        "hooks": (sys.excepthook, sys.displayhook, sys.meta_path[:], sys.path_hooks[:]),
        "umask": os.umask(0o22), "switch": sys.getswitchinterval(), "open": sorted(os.listdir("/proc/self/fd"))[:-1],
    }

if sys.argv[1:]:
    import numpy  # which adds to the filters of warnings itself
before = state()
import kact
for name in sys.argv[1:]:
    getattr(kact, name)
if sys.argv[1:]:
    kact.Experiment(task="cifar", model="lenet", activation="mish")
after = state()
changed = [name for name in before if before[name] != after[name]]
heavy = {"keras", "torch", "tensorflow", "jax", "sklearn", "scipy", "matplotlib", "PIL", "nltk", "tensorflow_datasets"}
heavy |= {"numpy", "rich", "tyro", "jinja2", "tqdm", "pandas"} if not sys.argv[1:] else set()
sys.exit(repr((changed, sorted(heavy & set(sys.modules)))) if changed or heavy & set(sys.modules) else 0)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
@pytest.mark.parametrize(
    "names", [(), ("Experiment", "KactError", "Run", "activations", "models", "tasks", "load_task")]
)
def test_importing_kact_changes_nothing(names, tmp_path):
    environment = {"HOME": str(tmp_path), "PATH": os.defpath, "PYTHONPATH": str(Path(kact.__file__).parents[1])}
    command = [sys.executable, "-W", "error", "-B", "-c", CODE, *names]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == [], "nothing is written at home, nor where it is run"


def test_the_test_can_fail(tmp_path):
    (tmp_path / "kact.py").write_text(
        "import os, warnings\nos.environ['KERAS_BACKEND'] = 'jax'\nwarnings.simplefilter('ignore')\n"
    )
    environment = {"HOME": str(tmp_path), "PATH": os.defpath, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-B", "-c", CODE]
    ended = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert ended.stderr.strip() == "(['environment', 'filters'], [])"
