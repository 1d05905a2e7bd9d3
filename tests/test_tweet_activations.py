"""The table of study 1c on tweets: the right number in each cell, and a run that learned nothing is called one."""

import re
from types import SimpleNamespace

import pytest

from benchmarks.tweet_activations import ACTIVATIONS, LEARNING_RATES, learned, table

pytestmark = pytest.mark.any_backend


def finished(dev, test, *, diverged=False):
    """A run on a dev part of 40 tokens, 12 of them with the commonest tag, which is said more often than that."""
    validation = {
        "accuracy": dev,
        "confusion": [[12, 0, 0, 0], [6, 4, 0, 0], [3, 0, 6, 0], [2, 0, 0, 7]],
        "examples": 40,
    }
    return SimpleNamespace(diverged=diverged, metrics={"validation": validation, "test": {"accuracy": test}})


def test_each_cell_holds_the_median_errors_in_percent():
    cells = {
        (activation, rate): [finished(0.5 + row / 100, 0.5 + column / 100) for _ in range(2)] + [finished(0.1, 0.99)]
        for row, activation in enumerate(ACTIVATIONS)
        for column, rate in enumerate(LEARNING_RATES)
    }
    lines = table(cells).splitlines()
    assert len(lines) == 2 + len(ACTIVATIONS) and len({line.count("|") for line in lines}) == 1
    assert re.sub(r"\s", "", lines[2 + 3]) == "|silu|47.00/50.00|47.00/49.00|47.00/48.00|"


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (finished(0.7, 0.7), True),
        (finished(0.6, 0.7), False),
        (finished(0.9, 0.9, diverged=True), False),
    ],
)
def test_a_run_has_learned_when_it_beats_the_commonest_tag_twice_over(run, expected):
    assert learned(run) is expected
