"""docs/architecture.md says what the code does: which layer each module is in, and who asks which backend runs."""

import re
import tomllib
from itertools import chain, pairwise
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_backend

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ASKS = re.compile(
    r"\bbackend\.name\(\)|\bcompiles_shapes\(\)|\bkeras\.backend\.backend\(\)|environ\.get\(.KERAS_BACKEND"
)


@pytest.fixture(scope="module")
def layers():
    """The layers that import-linter holds kact to, from the top down."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [layer.split(" : ") for layer in settings["tool"]["importlinter"]["contracts"][0]["layers"]]


@pytest.fixture(scope="module")
def rows():
    """The modules of each row of the page's table, from the top down, but for the applications."""
    table = re.findall(r"^\| [^|-]+ \| (.*`.*) \|$", PAGE.partition("## The nouns")[0], re.M)
    return [re.findall(r"`(\w+)`", row) for row in table][1:]


def test_every_module_is_in_one_layer(layers):
    there = [one for one in (ROOT / "kact").iterdir() if one.suffix == ".py" or (one / "__init__.py").is_file()]
    assert sorted(chain(*layers)) == sorted(one.stem for one in there if one.stem != "__init__")


def test_the_table_has_each_module_once_and_none_above_what_may_import_it(layers, rows):
    assert sorted(chain(*rows)) == sorted(chain(*layers))
    place = {name: number for number, row in enumerate(rows) for name in row}
    for above, below in pairwise(layers):
        assert max(place[name] for name in above) <= min(place[name] for name in below), (above, below)


def test_only_those_that_the_page_names_ask_which_backend_runs():
    rule = re.search(r"^- .* may ask which one runs.*$", PAGE, re.M)[0]
    named = set(re.findall(r"`([\w.]+)`", rule))
    asking = {
        ".".join(file.relative_to(ROOT / "kact").with_suffix("").parts)
        for file in (ROOT / "kact").rglob("*.py")
        if file.stem != "backend" and ASKS.search(file.read_text(encoding="utf-8"))
    } | {"backend"}
    strange = {one for one in asking if not named & {one, one.partition(".")[0]}}
    idle = {name for name in named if not any(f"{one}.".startswith(f"{name}.") for one in asking)}
    assert (strange, idle) == (set(), set())
