"""The short form of chaos: some faults of each kind, in a process of its own that has nothing else in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds its processes in /proc"),
]
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_no_promise_breaks_in_a_few_faults_of_each_kind(tmp_path):
    results = tmp_path / "attempts.json"
    command = [sys.executable, "-W", "ignore", "-m", "tests.chaos", "--short", "--results", str(results)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stdout + done.stderr
    attempts = json.loads(results.read_text())
    assert len(attempts) >= 15 and len({one["fault"] for one in attempts}) == 9
    assert any(one["code"] == -9 for one in attempts) and any(one["code"] == 2 for one in attempts)
