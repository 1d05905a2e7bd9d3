"""The error that kact raises: what it says, and that it survives what happens to errors."""

from __future__ import annotations

import copy
import pickle

import pytest

from kact.errors import KactError, nearest, no_memory

pytestmark = pytest.mark.any_backend


def test_it_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no good"):
        raise KactError("no good")


def test_the_next_step_has_a_line_of_its_own() -> None:
    assert str(KactError("It is empty.")) == "It is empty."
    assert str(KactError("It is empty.", "Fill it.")) == "It is empty.\nFill it."


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_it_travels_between_processes(duplicate) -> None:  # type: ignore[no-untyped-def]
    error = duplicate(KactError.parameter("task", "mnits", "one of", choices=["mnist"], next_step="Look again."))
    assert type(error) is KactError
    assert (error.problem, error.next_step, error.kind) == (
        "The 'task' parameter must be one of: mnist. Got 'mnits' instead. Did you mean 'mnist'?",
        "Look again.",
        "choice",
    )


@pytest.mark.parametrize(
    ("value", "choices", "text"),
    [
        (-1, [], "The 'epochs' parameter must be at least 0. Got -1 instead."),
        (None, [], "The 'epochs' parameter must be at least 0. Got None instead."),
        ("", ["a", "b"], "The 'epochs' parameter must be at least 0: a, b. Got '' instead."),
        ("tanhh", iter(["relu", "tanh"]), "must be at least 0: relu, tanh. Got 'tanhh' instead. Did you mean 'tanh'?"),
    ],
)
def test_it_names_argument_value_choices_and_the_nearest(value: object, choices: list[str], text: str) -> None:
    assert text in str(KactError.parameter("epochs", value, "at least 0", choices=choices))


@pytest.mark.parametrize(
    ("word", "choices", "expected"),
    [
        ("gleu", ["relu", "gelu", "elu"], "gelu"),
        ("RELU", ["relu", "gelu"], "relu"),
        ("Cifar-10", ["mnist", "cifar10", "stl10"], "cifar10"),
        ("zzz", ["relu", "gelu"], None),
        ("relu", [], None),
        ("", ["relu"], None),
    ],
)
def test_nearest(word: str, choices: list[str], expected: str | None) -> None:
    assert nearest(word, choices) == expected


def test_no_memory_is_seen_in_whatever_words_it_comes():
    wrapped = ValueError("it could not be built")
    wrapped.__cause__ = SystemError(
        "Exception encountered when calling Rescaling.call().\n\nerror return without exception set"
    )
    assert no_memory(wrapped) and no_memory(MemoryError())
    assert not no_memory(ValueError("its step reads a number out of a tensor"))
