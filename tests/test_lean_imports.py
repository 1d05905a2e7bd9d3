"""What kact's commands import, and what the benchmark of memory reports: both looked at from a process of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kact.__main__ import _MODULES

pytestmark = pytest.mark.any_backend

ROOT = Path(__file__).parents[1]
PACKAGES = ["kact.training", "kact.studies", "kact.stats", "kact.plots"]

KERAS = """
import sys
from kact import backend

backend.select_default()
import keras

print(*(name for name in ("pandas", "sklearn", "matplotlib", "jax") if name in sys.modules))
import matplotlib, sklearn  # whoever wants them has them

print(keras.backend.backend(), matplotlib.__name__, sklearn.__name__)
"""

PEAK = """
import sys
from benchmarks.contestant import peak_bytes

before = peak_bytes()
held = bytearray(b"x") * int(sys.argv[1])
print(before, peak_bytes() - before)
"""


def output_of(code, *arguments):
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_commands_import_keras_without_what_it_does_not_need():
    spared, then = output_of(KERAS).splitlines()
    assert spared == "" and then == "torch matplotlib sklearn"


@pytest.mark.parametrize("package", PACKAGES)
def test_applications_take_what_a_package_names_and_reach_no_deeper(package):
    """What is inside may then move, as it did before, without tuning or the page."""
    files = [file for folder in ("demo", "tuning") for file in (ROOT / folder).rglob("*.py")]
    deep = re.compile(rf"^\s*(from|import) {package}\.", re.M)
    assert [file.name for file in files if deep.search(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_loads_no_deep_learning_library(package):
    loaded = output_of(f"import sys, {package}\nprint({{'keras', 'torch', 'matplotlib'}} & {{*sys.modules}})")
    assert loaded == "set()\n"


@pytest.mark.parametrize(
    "module", ["kact.train", "kact.many", "kact.predict", *_MODULES.values(), "tuning.command_line"]
)
def test_no_command_loads_keras_before_torch_is_chosen(module):
    """Where `KERAS_BACKEND` is unset Keras would look for TensorFlow, which need not be there."""
    assert output_of(f"import sys, {module}\nprint('keras' in sys.modules, 'torch' in sys.modules)") == "False False\n"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="read from Linux' /proc")
def test_the_peak_of_memory_is_the_process_own():
    """Half of what this process has is more than the child's: a child must not report its parent's peak."""
    allocated = 150 * 2**20
    held = bytearray(b"x") * (2 * allocated)
    before, more = map(int, output_of(PEAK, str(allocated)).split())
    assert before < allocated < len(held)
    assert more == pytest.approx(allocated, rel=0.05)
