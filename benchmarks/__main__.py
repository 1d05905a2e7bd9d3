"""All benchmarks, one table: `make bench` (ten minutes at most on two idle cores) and `make bench-gpu`.

python -m benchmarks                         # all parts, into benchmarks/results/cpu.md and .json
python -m benchmarks --parts many tagger     # some of them, into another folder with --out
python -m benchmarks --gpu                   # the compact suite; on a machine without CUDA it runs on the CPU
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import gpu, many, processes, speed, tagger

# isort: split
import torch

Rows = list[dict[str, Any]]

PARTS: dict[str, Callable[[int], Rows]] = {  # from rounds to rows
    "many": lambda rounds: many.rows(rounds=rounds),
    "workers": processes.workers,
    "memory": lambda rounds: processes.memory(),
    "backends": processes.backends,
    "tagger": tagger.rows,
}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, and write it as Markdown and JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--parts", nargs="+", default=["speed", *PARTS], choices=["speed", *PARTS])
    parser.add_argument("--networks", nargs="+", default=["lenet", "cnn", "mlp"], choices=list(speed.MODELS))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=list(speed.STEPS), choices=list(speed.STEPS))
    parser.add_argument("--activations", nargs="+", default=list(speed.ACTIVATIONS), choices=list(speed.ACTIVATIONS))
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each that count")
    parser.add_argument("--gpu", action="store_true", help="the compact suite for CUDA instead of all parts")
    parser.add_argument("--out", default="benchmarks/results", help="folder for cpu.md and cpu.json, or cuda.*")
    given = parser.parse_args(arguments)
    if given.gpu:
        return gpu.main(given.out)
    torch.set_num_threads(1)
    began = time.perf_counter()
    records: Rows = []
    if "speed" in given.parts:
        records = speed.sweep(given.networks, given.batch_sizes, given.activations, given.rounds)
        records += speed.sweep(["strided_cnn"], [32], ["relu"], given.rounds)
    rows = [row for part in given.parts if part != "speed" for row in PARTS[part](given.rounds)]
    facts = {
        "machine": speed.machine(1),
        "date": time.strftime("%Y-%m-%d"),
        "rounds": given.rounds,
        "seconds": round(time.perf_counter() - began),
        "records": records,
        "rows": rows,
    }
    return write(facts, Path(given.out), "cuda" if torch.cuda.is_available() else "cpu", "python -m benchmarks")


def write(facts: dict[str, Any], out: Path, name: str, command: str) -> int:
    """Print the table, and write it and all that it was made from."""
    text = speed.table(facts["records"]) if facts["records"] else ""
    if facts["rows"]:
        text += "\n" + table(facts["rows"])
    print(text)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")
    (out / f"{name}.md").write_text(
        f"# Speed of training\n\n{facts['machine']}, {facts['date']}; `{command}`, {facts['rounds']} rounds, "
        f"{facts['seconds']} s.\nRatios of time, another's over kact's, in one run and in turn; above 1 kact wins. "
        f"In the first table medians over the activations, in the second over the rounds; ranges in parentheses. "
        f"`evaluate` and `predict` are held to their targets with both in batches of the column's size; their rows "
        f"without a target show what people get: kact chooses 128 by itself, Keras takes what it is given, or 32."
        f"\n\n{text}"
    )
    return 0


def table(rows: Rows) -> str:
    """Return the rows that have no batch sizes side by side, as Markdown."""
    lines = ["| what | ratio | wanted | |", "| --- | --- | --- | --- |"]
    for row in rows:
        ratio, target, at_most = row["ratio"], row["target"], row.get("at_most", False)
        met = "" if target is None else "met" if (ratio <= target if at_most else ratio >= target) else "missed"
        wanted = "" if target is None else f"at {'most' if at_most else 'least'} {target}"
        low, high = row["range"]
        lines.append(f"| {row['words']} | {ratio:.2f} ({low:.2f}-{high:.2f}) | {wanted} | {met} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
