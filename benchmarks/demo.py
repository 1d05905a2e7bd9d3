"""Load on the demo: 50 users for 60 s, good and bad requests mixed; latencies, failures, memory of the server.

    python -m benchmarks.demo                 # writes benchmarks/results/demo.md
    python -m benchmarks.demo --seconds 10 --users 5 --out /dev/null

A user waits half a second to a second and a half between requests, as one who reads the answer would. Eight in ten
requests are good: pictures, texts, activation functions. Two are bad: broken pictures, texts that are too long, unknown
models, paths outside the upload folder. A good request fails if its answer is not the one that it must have; a bad one
fails if it is answered, or refused with no sentence where one is due.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

RESULT = Path(__file__).with_name("results") / "demo.md"
WARM_UP = 0.25  # share of the time that memory may take to settle
_TEXTS = ("ikr smh he asked fir yo last name", "so cool\nwe are here :)", "RT @bob: 10 songs for $5 http://a.b/c")


@dataclass
class Tally:
    """What became of the requests."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, seconds: float, problem: str) -> None:
        """Note one request."""
        with self.lock:
            self.seconds.setdefault(kind, []).append(seconds)
            if problem:
                self.failed.append(f"{kind}: {problem}")


def pictures() -> dict[str, bytes]:
    """Return pictures of everyday sizes, and a broken one."""
    rng = np.random.default_rng(0)
    found = {}
    for side in (64, 480, 1600):
        small = Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        small.resize((side, side)).save(buffer, "JPEG", quality=85)
        found[f"{side}.jpg"] = buffer.getvalue()
    return found


class User(threading.Thread):
    """Somebody who asks, reads, and asks again until the time is over."""

    def __init__(self, number: int, address: str, until: float, tally: Tally, files: dict[str, bytes]) -> None:
        super().__init__(daemon=True)
        self.random, self.address, self.until, self.tally, self.files = (
            random.Random(number),
            address,
            until,
            tally,
            files,
        )

    def run(self) -> None:
        with httpx.Client(base_url=self.address, timeout=60) as self.http:
            time.sleep(self.random.uniform(0, 1))
            while time.monotonic() < self.until:
                kind = self.random.choices(
                    ["picture", "text", "activation", "bad picture", "bad text", "bad model", "bad path"],
                    [4, 2, 2, 0.6, 0.5, 0.5, 0.4],
                )[0]
                start = time.perf_counter()
                try:
                    problem = self.ask(kind)
                except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                    problem = f"{type(error).__name__} {error}"[:120]
                self.tally.add(kind, time.perf_counter() - start, problem)
                time.sleep(self.random.uniform(0.5, 1.5))

    def ask(self, kind: str) -> str:
        """Make one request and return what was wrong with its answer, or nothing."""
        if kind == "picture":
            found, error = self.call(
                "classify", self.upload(*self.random.choice(list(self.files.items()))), self.model()
            )
            return "" if found and abs(sum(found[0]["probabilities"].values()) - 1) < 1e-3 else f"{error}"
        if kind == "text":
            found, error = self.call("tag", self.random.choice(_TEXTS), "tweets-relu")
            return "" if found and found[0][0]["tag"] else f"{error}"
        if kind == "activation":
            found, error = self.call("activation", self.random.choice(["mish", "elu(alpha=2)", "relu"]), -5, 5, 101)
            return "" if found and len(found["y"]) == 101 else f"{error}"
        if kind == "bad picture":
            found, error = self.call("classify", self.upload("bad.png", b"\x89PNG\r\n\x1a\nbroken"), "digits-relu")
        elif kind == "bad text":
            found, error = self.call("tag", "a" * 200_000, "tweets-relu")
        elif kind == "bad model":
            found, error = self.call("tag", "so cool", "no-such-model")
        else:
            found, error = self.call(
                "classify", {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, "digits-relu"
            )
            return "it was answered" if found else ""
        return "it was answered" if found else "" if error else "no sentence"

    def model(self) -> str:
        return self.random.choice(["cifar10-relu", "cifar10-relu", "digits-relu"])

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        path = self.http.post("/gradio_api/upload", files={"files": (name, content)}).json()[0]
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def call(self, endpoint: str, *given: Any) -> tuple[Any, str | None]:
        event = self.http.post(f"/gradio_api/call/{endpoint}", json={"data": list(given)}).json()["event_id"]
        text = self.http.get(f"/gradio_api/call/{endpoint}/{event}").text
        data = json.loads(text[text.index("data: ") + 6 :].splitlines()[0])
        return (data[0], None) if "event: complete" in text else (None, data["error"])


def memory_bytes(process: int) -> int:
    """Return what a process holds in memory, on Linux."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def start() -> tuple[subprocess.Popen[str], str, float]:
    """Start the page and return its process, its address and how many seconds it took until every model was loaded."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "demo", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    address = next(found[0].rstrip("/") for line in process.stdout if (found := re.search(r"http://\S+/", line)))
    while True:
        try:
            with urllib.request.urlopen(f"{address}/health"):
                return process, address, time.perf_counter() - began
        except OSError:
            time.sleep(0.05)


def alone(address: str, files: dict[str, bytes]) -> float:
    """Return the median seconds of a picture's answer, upload included, with nobody else there."""
    user = User(0, address, 0.0, Tally(), files)
    with httpx.Client(base_url=address, timeout=60) as user.http:
        seconds = []
        for number in range(30):
            began = time.perf_counter()
            user.call("classify", user.upload(*list(files.items())[number % 2]), "cifar10-relu")
            seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def main() -> int:
    """Run it and write the figures."""
    parser = argparse.ArgumentParser("python -m benchmarks.demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    process, address, start_seconds = start()
    try:
        files, tally = pictures(), Tally()
        median = alone(address, files)
        until = time.monotonic() + given.seconds
        users = [User(number, address, until, tally, files) for number in range(given.users)]
        for user in users:
            user.start()
        memory = []
        while time.monotonic() < until:
            memory.append(memory_bytes(process.pid))
            time.sleep(0.5)
        for user in users:
            user.join()
        text = report(given, tally, memory, start_seconds, median)
    finally:
        process.terminate()
        process.wait()
    given.out.write_text(text, encoding="utf-8")
    print(text)
    return 1 if tally.failed else 0


def report(given: argparse.Namespace, tally: Tally, memory: list[int], start_seconds: float, median: float) -> str:
    """Return the figures as Markdown."""
    settled = memory[int(WARM_UP * len(memory)) :]
    third = max(1, len(settled) // 3)
    growth = np.mean(settled[-third:]) / np.mean(settled[:third]) - 1
    good = [one for kind in ("picture", "text", "activation") for one in tally.seconds.get(kind, [])]
    rows = [
        f"| {kind} | {len(taken)} | {sum(one.startswith(f'{kind}:') for one in tally.failed)} | {np.median(taken):.2f} "
        f"| {np.quantile(taken, 0.95):.2f} | {max(taken):.2f} |"
        for kind, taken in sorted(tally.seconds.items())
    ]
    total = sum(map(len, tally.seconds.values()))
    return "\n".join(
        [
            "# Load on the demo", "",
            f"`make bench-demo`: {given.users} users for {given.seconds:g} s on {os.cpu_count()} CPU cores, users on "
            "the same machine; each waits 0.5 to 1.5 s between requests. Seconds from a request's first byte, upload "
            "included, to its whole answer.", "",
            "| request | n | failed | median | 95 % | slowest |", "| --- | --- | --- | --- | --- | --- |", *rows, "",
            f"- {total} requests, {total / given.seconds:.1f} a second; {len(tally.failed)} failed"
            + (f": {tally.failed[0]}" if tally.failed else "") + ".",
            f"- Good requests: median {np.median(good):.2f} s, 95 % within {np.quantile(good, 0.95):.2f} s.",
            f"- Memory of the server: {np.mean(settled[:third]) / 2**20:.0f} MB after warm-up, "
            f"{np.mean(settled[-third:]) / 2**20:.0f} MB at the end ({growth:+.1%}).",
            f"- Start until every model in the box is loaded: {start_seconds:.1f} s.",
            f"- A picture with nobody else there: median {median:.3f} s.", "",
        ]
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
