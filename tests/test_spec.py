"""Specs: what parses, what does not, and that each has one spelling."""

from __future__ import annotations

import keyword
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kact.errors import KactError
from kact.spec import Literal, Spec, bind, canonical, choose, parse_spec

pytestmark = pytest.mark.any_backend

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,15}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))
literals = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
)
options = st.lists(st.tuples(names, literals), max_size=4, unique_by=lambda option: option[0]).map(tuple)
paths = st.builds("{}:{}".format, st.lists(names, min_size=1, max_size=3).map(".".join), names)
specs = st.one_of(st.builds(Spec, names, options), st.builds(Spec, paths))


# --- parse ---


@given(specs)
def test_what_is_written_is_read_back(spec: Spec) -> None:
    assert parse_spec(str(spec), "activation") == spec
    assert [type(value) for _, value in parse_spec(str(spec), "a").options] == [type(v) for _, v in spec.options]


@given(st.text(max_size=60))
def test_any_text_parses_or_says_why_not(text: str) -> None:
    try:
        spec = parse_spec(text, "activation")
    except KactError as error:
        assert "'activation'" in str(error)
    else:
        assert parse_spec(str(spec), "activation") == spec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("relu", Spec("relu")),
        ("  relu\n", Spec("relu")),
        ("relu()", Spec("relu")),
        ("elu( alpha = 2 )", Spec("elu", (("alpha", 2),))),
        ("elu(alpha=-1e-3)", Spec("elu", (("alpha", -0.001),))),
        ("rrelu(lower=0.1,\n upper=0.3,)", Spec("rrelu", (("lower", 0.1), ("upper", 0.3)))),
        ("adam(amsgrad=True, decay=None)", Spec("adam", (("amsgrad", True), ("decay", None)))),
        ("step(kind='linear')", Spec("step", (("kind", "linear"),))),
        ("my.package:bump", Spec("my.package:bump")),
        ("module:bump", Spec("module:bump")),
        ("my.package:bump( width=2 )", Spec("my.package:bump", (("width", 2),))),
        (" module:bump ()", Spec("module:bump")),
    ],
)
def test_forms_that_parse(text: str, spec: Spec) -> None:
    assert parse_spec(text, "activation") == spec
    assert spec.is_path == (":" in text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "elu(",
        "elu)",
        "elu(1)",
        "elu(x=1, 2)",
        "elu(*[1])",
        "elu(**{})",
        "elu(x=1, x=2)",
        "elu(x=1)(y=2)",
        "elu(x=1); relu",
        "elu(x=1) + 1",
        "elu(x=f(1))",
        "elu(x=[1])",
        "elu(x=(1, 2))",
        "elu(x={})",
        "elu(x=b'1')",
        "elu(x=1j)",
        "elu(x=1 + 1)",
        "elu(x=...)",
        "elu(x=1e999)",
        "elu(x=-1e999)",
        f"elu(x={'9' * 400})",  # a whole number that no float holds
        "elu(x:=1)",
        "lambda x: x",
        "a.b",
        "a.b(x=1)",
        "a.b:c(1)",
        "a.b:c(x=1",
        "a:b:c",
        ":b",
        "a:",
        "a..b:c",
        "1relu",
        "relu gelu",
        "relu\0",
        "elu(x='\ud800')",
        "__import__('os').system('true')",
        "(" * 200 + ")" * 200,
        "elu(x=" + "-" * 400 + "1)",
        "relu" * 126,
        "elu(x=" + "1" * 495 + ")",
    ],
)
def test_malformed_text_says_what_would_do(text: str) -> None:
    with pytest.raises(KactError, match=r"'schedule' parameter must be a name, `name\(key=value, \.\.\.\)`"):
        parse_spec(text, "schedule")


@pytest.mark.parametrize("value", [None, 3, b"relu", ["relu"], len])
def test_anything_but_text_raises(value: Any) -> None:
    with pytest.raises(KactError, match="must be a name"):
        parse_spec(value, "activation")


def test_a_text_too_long_is_not_printed_whole() -> None:
    with pytest.raises(KactError) as raised:
        parse_spec("x" * 10_000, "activation")
    assert len(str(raised.value)) < 300


# --- bind ---

PARAMETERS: dict[str, Literal] = {"alpha": 1.0, "steps": 10, "nesterov": False, "kind": "linear", "clip": None}


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("f", {}),
        ("f(alpha=2)", {"alpha": 2.0}),
        ("f(alpha=0.5, steps=3)", {"alpha": 0.5, "steps": 3}),
        ("f(nesterov=True)", {"nesterov": True}),
        ("f(kind='cosine')", {"kind": "cosine"}),
        ("f(clip=0.5)", {"clip": 0.5}),
        ("f(clip=None)", {"clip": None}),
    ],
)
def test_bind_fills_in_defaults(text: str, changed: dict[str, Literal]) -> None:
    bound = bind(parse_spec(text, "f"), PARAMETERS, "f")
    assert bound == {**PARAMETERS, **changed}
    assert list(bound) == list(PARAMETERS)
    assert isinstance(bound["alpha"], float)


@pytest.mark.parametrize(
    ("option", "wanted"),
    [
        ("alpha=True", "a number"),
        ("alpha='1'", "a number"),
        ("alpha=None", "a number"),
        ("steps=1.5", "a whole number"),
        ("steps=True", "a number"),
        ("steps='1'", "a number"),
        ("nesterov=1", "True or False"),
        ("nesterov=None", "True or False"),
        ("kind=1", "a string"),
        ("clip='1'", "a number or None"),
        ("clip=True", "a number or None"),
    ],
)
def test_bind_refuses_another_type(option: str, wanted: str) -> None:
    with pytest.raises(KactError) as raised:
        bind(parse_spec(f"f({option})", "optimizer"), PARAMETERS, "optimizer")
    key, _, value = option.partition("=")
    assert f"'optimizer f: {key}' parameter must be {wanted}. Got {value} instead." in str(raised.value)


def test_bind_refuses_an_unknown_key() -> None:
    with pytest.raises(KactError, match=r"among: alpha, steps.*Got 'alpa' instead\. Did you mean 'alpha'\?"):
        bind(parse_spec("f(alpa=1)", "optimizer"), PARAMETERS, "optimizer")
    with pytest.raises(KactError, match=r"'optimizer' 'f' takes no parameters\. Got 'f\(alpha=1\)' instead"):
        bind(parse_spec("f(alpha=1)", "optimizer"), {}, "optimizer")


# --- canonical ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f()", "f"),
        ("f(alpha=1)", "f"),
        ("f(steps=10, alpha=1.0, clip=None)", "f"),
        ("f(steps=3, alpha=2)", "f(alpha=2.0, steps=3)"),
        ("f(alpha=0.50)", "f(alpha=0.5)"),
        ("f(alpha=-0.0)", "f(alpha=0.0)"),
        ("f(nesterov=True)", "f(nesterov=True)"),
    ],
)
def test_equal_settings_are_spelled_alike(text: str, expected: str) -> None:
    assert str(canonical(parse_spec(text, "f"), PARAMETERS, "f")) == expected


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**9), 10**9), st.booleans())
def test_canonical_is_a_fixed_point_and_keeps_the_values(alpha: float, steps: int, nesterov: bool) -> None:
    spec = Spec("f", (("nesterov", nesterov), ("steps", steps), ("alpha", alpha)))
    once = canonical(spec, PARAMETERS, "f")
    assert str(canonical(parse_spec(str(once), "f"), PARAMETERS, "f")) == str(once)
    bound = bind(once, PARAMETERS, "f")
    assert (bound["alpha"], bound["steps"], bound["nesterov"]) == (alpha, steps, nesterov)
    assert math.copysign(1, float(bound["alpha"] or 0)) == (-1 if alpha < 0 else 1)


# --- choose ---


def test_choose_takes_names_and_aliases() -> None:
    assert choose("silu", ["relu", "silu"], {"swish": "silu"}, "activation") == "silu"
    assert choose("swish", ["relu", "silu"], {"swish": "silu"}, "activation") == "silu"
    assert choose("silu", iter(["relu", "silu"]), {}, "activation") == "silu"


def test_choose_lists_the_choices_the_nearest_and_the_next_step() -> None:
    with pytest.raises(KactError) as raised:
        choose("gleu", ["relu", "gelu"], {}, "activation", next_step="See `kact list`.")
    assert str(raised.value) == (
        "The 'activation' parameter must be one of: relu, gelu. Got 'gleu' instead. Did you mean 'gelu'?\n"
        "See `kact list`."
    )


def test_a_word_needs_no_quotes():
    assert parse_spec("image_folder(unreadable=skip)", "task") == parse_spec("image_folder(unreadable='skip')", "task")
