"""Two questions to the tuning application: `python -m benchmarks.tuning bayesian` and `... workers`.

`bayesian`: is Bayesian optimisation better than random search at equal trials, through all of kact's plumbing? A fixed,
cheap objective takes the place of training, so that 20 seeds cost minutes (of the Gaussian processes).
`workers`: how long a search on digits takes with two workers as a share of what it takes with one, whole commands from
start to page, each in a directory of its own, taken in turn. It wants a machine with two free cores. One worker is what
a user gets, one process with as many threads as PyTorch likes; `--one-thread` times it with a single thread too.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from kact import backend
from kact.experiment import Experiment
from kact.processes import ONE_THREAD
from kact.stats import paired

SEEDS, TRIALS = 20, 15
WORKERS_SEARCH = {"task": "digits", "model": "cnn", "tuner": "random", "trials": 16, "epochs": 10, "final-seeds": 2}


def main(arguments: list[str] | None = None) -> int:
    """Answer one question, or both, and print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__)
    parser.add_argument("question", nargs="*", default=["bayesian", "workers"], help="bayesian or workers")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="searches of each tuner, for bayesian")
    parser.add_argument("--rounds", type=int, default=3, help="searches with each number of workers")
    parser.add_argument("--one-thread", action="store_true", help="time one worker of one thread as well")
    given = parser.parse_args(arguments)
    backend.select_default()
    if "bayesian" in given.question:
        bayesian_against_random(given.seeds)
    if "workers" in given.question:
        two_workers_against_one(given.rounds, given.one_thread)
    return 0


def objective(settings: dict[str, float]) -> float:
    """Return a made accuracy with its best of 0.9 at learning rate 0.003, L2 3e-5 and dropout 0.15."""
    rate = math.log10(settings["learning_rate"] / 0.003)
    penalty = math.log10(max(settings["l2"], 1e-7) / 3e-5)
    return 0.9 - 0.15 * rate**2 - 0.01 * penalty**2 - 0.8 * (settings["dropout"] - 0.15) ** 2


def best_found(tuner: str, seed: int) -> float:
    """Return the best score of one search."""
    from tuning.oracles import OBJECTIVE
    from tuning.plan import Place, Plan
    from tuning.records import Execution, Trial
    from tuning.search import Tuner
    from tuning.space import DEFAULT_SEARCH, make_space

    class Cheap(Tuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
            settings = self.plan.searched.settings(trial.hyperparameters.values)
            score = objective(settings)
            record = Trial(trial.trial_id, settings, 1, (Execution(seed, "finished", score, 1 - score),))
            record.save(Path(self.get_trial_dir(trial.trial_id)))
            return {OBJECTIVE: score}

    scores: list[float] = []
    base = Experiment(seed=seed)
    plan = Plan(base, make_space(DEFAULT_SEARCH, base), tuner, TRIALS)
    with tempfile.TemporaryDirectory() as folder:
        Cheap(plan, Place(Path(folder)), tell=lambda record: scores.append(record.score("accuracy"))).search()
    return max(scores)


def bayesian_against_random(seeds: int) -> None:
    """Compare the best score of searches of equal length, paired by seed."""
    found: dict[str, list[float]] = {"bayesian": [], "random": []}
    for seed in range(seeds):
        for tuner, best in found.items():
            best.append(best_found(tuner, seed))
        print(f"seed {seed}  " + "  ".join(f"{tuner} {best[-1]:.4f}" for tuner, best in found.items()), flush=True)
    for tuner, best in found.items():
        print(
            f"{tuner}: {np.mean(best):.4f} ± {np.std(best, ddof=1):.4f} of at most 0.9 (n = {seeds}, {TRIALS} trials)"
        )
    compared = paired(found["bayesian"], found["random"], np.random.default_rng(0))
    low, high = compared.difference.interval or (math.nan, math.nan)
    print(
        f"bayesian - random: {compared.difference.estimate:+.4f} (95 % interval {low:+.4f} to {high:+.4f}), "
        f"p = {compared.p:.3g}; ahead in {sum(map(float.__gt__, *found.values()))} of {seeds}"
    )


def two_workers_against_one(rounds: int, one_thread: bool) -> None:
    """Time the same search with one and with two workers, in turn."""
    ways: dict[str, tuple[int, int | None]] = {"1 worker": (1, None), "2 workers": (2, None)}
    if one_thread:
        ways["1 worker of one thread"] = (1, 1)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, (workers, threads) in ways.items():
            seconds[name].append(_search_seconds(workers, threads))
            print(f"round {number}  {name}: {seconds[name][-1]:.1f} s", flush=True)
    middle = {name: float(np.median(taken)) for name, taken in seconds.items()}
    for name, alone in middle.items():
        if name != "2 workers":
            print(
                f"2 workers / {name}: {middle['2 workers']:.1f} s / {alone:.1f} s = {middle['2 workers'] / alone:.2f}"
                f"  (medians of {rounds}, {os.cpu_count()} cores, load {_load()})"
            )


def _search_seconds(workers: int, threads: int | None) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    flags = [f"--{name}={value}" for name, value in WORKERS_SEARCH.items()]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tuning", *flags, "--workers", str(workers)]
        began = time.perf_counter()
        subprocess.run([*command, "--out", folder], check=True, capture_output=True, env=environment)
        return time.perf_counter() - began


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
