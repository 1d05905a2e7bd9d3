"""Flags of commands: values that are read, and what is said of those that cannot be."""

import dataclasses
from typing import Annotated, Literal

import pytest

from kact.errors import KactError
from kact.flags import Flag, call, of_settings, read
from kact.settings import setting

pytestmark = pytest.mark.any_backend


def bake(
    loaf: Annotated[str, Flag("what is baked", "LOAF", positional=True)],
    seeds: Annotated[tuple[str, ...], Flag("strewn on top", positional=True)] = (),
    minutes: Annotated[int, Flag("in the oven")] = 40,
    heat: Annotated[float | None, Flag("of the oven")] = None,
    rounds: Annotated[tuple[int, ...], Flag("of kneading")] = (),
    note: Annotated[tuple[str, ...], Flag("on the label", repeated=True)] = (),
    steam: Annotated[bool, Flag("with steam")] = False,
    cool: Annotated[bool, Flag("leave it hot")] = True,
    crust: Annotated[Literal["thin", "thick"], Flag("of the loaf")] = "thin",
    json_: Annotated[bool, Flag("as JSON", name="json")] = False,
):
    """Bake one loaf."""
    return locals()


def baked(*given):
    return call(bake, given, "bake")


def test_what_is_given_and_what_is_not():
    assert baked("rye") == {
        **{"loaf": "rye", "seeds": (), "minutes": 40, "heat": None, "rounds": (), "note": ()},
        **{"steam": False, "cool": True, "crust": "thin", "json_": False},
    }
    made = baked("rye", "flax", "-", "--minutes=-3", "--heat", "2.5", "--rounds", "1", "-2", "--steam", "--no-cool")
    assert made["seeds"] == ("flax", "-") and made["minutes"] == -3 and made["heat"] == 2.5
    assert made["rounds"] == (1, -2) and made["steam"] and not made["cool"]
    assert baked("--note", "a", "--note", "b", "rye", "--json", "--heat", "None")["note"] == ("a", "b")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], ["LOAF is missing: what is baked", "`bake --help`"]),
        (["rye", "--minuts", "3"], ["no flag --minuts", "Did you mean --minutes?"]),
        (["rye", "-m"], ["no flag -m"]),
        (["rye", "--minutes"], ["--minutes needs a value"]),
        (["rye", "--minutes", "--steam"], ["--minutes needs a value"]),
        (["rye", "--minutes", "many"], ["'--minutes'", "a whole number", "'many'"]),
        (["rye", "--minutes", "3.5"], ["'--minutes'", "a whole number"]),
        (["rye", "--minutes=None"], ["a whole number", "'None'"]),
        (["rye", "--heat", "hot"], ["'--heat'", "a number"]),
        (["rye", "--rounds", "1", "x"], ["'--rounds'", "a whole number", "'x'"]),
        (["rye", "--steam=1"], ["--steam takes no value"]),
        (["rye", "--no-steam"], ["no flag --no-steam", "Did you mean --steam?"]),
        (["rye", "--cool"], ["no flag --cool", "Did you mean --no-cool?"]),
        (["rye", "--crust", "thik"], ["thin, thick", "Did you mean 'thick'"]),
        (["a\0b"], ["a\\x00b", "no text"]),
        (["rye", "--note", "\ud800"], ["\\ud800", "no text"]),
        (["--rounds", "1", "rye"], ["'rye'"]),  # words behind a flag of many are its own
    ],
)
def test_what_cannot_be_read_is_told_in_two_lines(given, words):
    with pytest.raises(KactError) as told:
        baked(*given)
    assert all(word in str(told.value) for word in words) and len(str(told.value).splitlines()) <= 2


def test_a_word_without_a_place():
    def sell(loaf: Annotated[str, Flag("what is sold", "LOAF", positional=True)] = "rye") -> str:
        return loaf

    assert call(sell, [], "sell") == "rye"
    with pytest.raises(KactError, match="no place for 'spelt': `sell` takes LOAF and flags"):
        call(sell, ["rye", "spelt"], "sell")
    with pytest.raises(KactError, match="takes flags only"):
        call(lambda: 0, ["rye"], "sell")


def test_help_shows_defaults_that_say_something(capsys):
    with pytest.raises(SystemExit) as left:
        baked("--help", "--minutes", "many")
    printed = capsys.readouterr().out
    assert (
        left.value.code == 0
        and "Bake one loaf." in printed
        and "(default: 40)" in printed
        and "--heat FLOAT" in printed
    )
    assert not any(noise in printed for noise in ("None", "False", "True", "(default: )", "--no-steam", "--no-json"))
    assert "--no-cool" in printed and "--json" in printed


@dataclasses.dataclass(frozen=True)
class Oven:
    """Settings."""

    heat: float = setting(0.0, "how hot", at_least=0, below=300)
    fuel: str = setting("gas", "what it burns", choices=("gas", "wood"))
    fan: bool = setting(False, "whether air is moved")


def test_settings_with_defaults_of_a_file_and_pairs(capsys):
    parameters = of_settings(Oven, {"fan": True})
    assert read(parameters, [], "heat", "", pairs=True) == {"heat": 0.0, "fuel": "gas", "fan": True}
    assert read(parameters, ["--no-fan"], "heat", "", pairs=True)["fan"] is False
    with pytest.raises(SystemExit):
        read(parameters, ["-h"], "heat", "", pairs=True)
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "[at least 0 and below 300] (default: 0.0)" in printed and "[gas, wood]" in printed


def test_a_flag_that_is_elsewhere():
    there = KactError("That is a flag of the cellar.")
    with pytest.raises(KactError, match="of the cellar"):
        read(of_settings(Oven), ["--wine"], "heat", "", elsewhere=lambda flag: there if flag == "--wine" else None)
