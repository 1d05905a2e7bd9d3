"""The page as a process of its own, for tests that ask it over HTTP or in a browser."""

import contextlib
import os
import re
import subprocess
import sys
import time
import urllib.request


@contextlib.contextmanager
def served(*arguments, **environment):
    """Start `python -m demo` on a free port; give its address, and what it printed when it is done."""
    command = [sys.executable, "-W", "ignore", "-m", "demo", "--port", str(free_port()), *map(str, arguments)]
    settings = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1", **environment}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=settings)
    try:
        yield address_of(process)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def address_of(process):
    """Return the address that a starting page prints, once all of its models are in memory."""
    printed = []
    for line in process.stdout:
        printed.append(line)
        if found := re.search(r"http://\S+/", line):
            address = found[0].rstrip("/")
            break
    else:
        raise AssertionError(f"the page did not start: {''.join(printed)[-2000:]}")
    for _ in range(600):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health") as answer:
            if answer.status == 200:
                return address
        time.sleep(0.2)
    raise AssertionError("the page did not become ready")


def free_port():
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
