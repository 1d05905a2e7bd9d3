"""Settings: each value brought to its declared type, or named with what was expected."""

from dataclasses import dataclass

import pytest

from kact.errors import KactError
from kact.settings import check_settings, known_settings, setting

pytestmark = pytest.mark.any_backend


@dataclass(frozen=True)
class Kettle:
    litres: float = setting(1.0, "how much", above=0, at_most=5)
    cups: int = setting(2, "how many", at_least=1)
    colour: str = setting("red", "which", choices=("red", "blue"))
    lid: bool = setting(True, "whether")
    marks: tuple[float, ...] = setting((), "where", at_least=0)
    timer: int | None = setting(None, "minutes", at_least=1)
    spout: str | int = setting("left", "where, or how many degrees", at_least=0)

    def __post_init__(self):
        check_settings(self)


def test_values_take_their_declared_type():
    kettle = Kettle(litres=2, cups=3.0, marks=[1, 2], timer=4, spout=90)
    assert [repr(value) for value in (kettle.litres, kettle.cups, kettle.marks)] == ["2.0", "3", "(1.0, 2.0)"]
    assert (kettle.timer, kettle.spout, Kettle().timer, Kettle().spout) == (4, 90, None, "left")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"litres": 0}, ["litres", "a number above 0 and at most 5", "0"]),
        ({"litres": float("nan")}, ["litres", "nan"]),
        ({"litres": float("inf")}, ["litres", "inf"]),
        ({"litres": "2"}, ["litres", "'2'"]),
        ({"litres": True}, ["litres", "True"]),
        ({"litres": None}, ["litres", "None"]),
        ({"cups": 1.5}, ["cups", "a whole number at least 1", "1.5"]),
        ({"cups": 0}, ["cups", "0"]),
        ({"colour": "rde"}, ["colour", "one of: red, blue", "Did you mean 'red'?"]),
        ({"colour": 3}, ["colour", "3"]),
        ({"lid": 1}, ["lid", "true or false"]),
        ({"marks": [1, -1]}, ["marks", "-1"]),
        ({"marks": "12"}, ["marks", "list of numbers"]),
        ({"timer": 0}, ["timer", "0"]),
        ({"spout": -3}, ["spout", "-3"]),
        ({"spout": [1]}, ["spout", "[1]"]),
    ],
)
def test_an_unusable_value_is_named(given, words):
    with pytest.raises(KactError) as caught:
        Kettle(**given)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_an_unknown_key_is_named_with_its_nearest():
    with pytest.raises(KactError, match=r"(?s)kettle.*litres.*'litre'.*Did you mean 'litres'"):
        known_settings(Kettle, {"lid": True, "litre": 1}, "kettle")
