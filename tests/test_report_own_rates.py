"""Each value at the learning rate that was best for it on validation: what chooses, what is left out, what is said."""

import pytest

from kact.reports import page
from kact.reports.findings import findings
from kact.reports.own_rates import own_rates
from tests.made_results import made_row, material

pytestmark = pytest.mark.any_backend

RATES = (0.001, 0.01, 0.1)
BEST = {"relu": 0.1, "elu": 0.01}  # on validation
ON_TEST = {"relu": 0.70, "elu": 0.71}  # at these; at all other rates test is higher, which must not choose
SEEDS = range(6)


def rows(rates=RATES, seeds=SEEDS, **others):
    """Return runs of two activations at several rates, at one of which each is best on validation and worst on test."""
    made = []
    for activation, best in BEST.items():
        for rate in rates:
            for seed in seeds:
                luck = 0.001 * ((seed * 7 + len(activation)) % 5)
                test = (ON_TEST[activation] if rate == best else 0.8) + luck
                row = made_row({"activation": activation, "learning_rate": rate, **others}, seed, test)
                for epoch in row.history:
                    epoch["validation_accuracy"] = (0.75 if rate == best else 0.6) + luck
                made.append(row)
    return made


def found(made, **factors):
    names = {"learning_rate": RATES, "activation": tuple(BEST), **factors}
    return findings(material(made, factors=names))


def chosen(own):
    return {cell.name: cell.settings["learning_rate"] for place in own.places for cell in place.cells}


def test_validation_chooses_and_test_compares():
    own = own_rates(found(rows()))
    assert chosen(own) == BEST
    means = own.places[0].summaries
    assert {name: round(one.estimate, 2) for name, one in means.items()} == ON_TEST
    assert [one.n for one in own.comparisons] == [6]


def test_a_rate_at_which_a_run_diverged_failed_or_is_missing_is_not_chosen():
    for trouble in ("diverged", "failed", None):
        cell = {"activation": "relu", "learning_rate": 0.1}
        made = [row for row in rows() if (row.cell, row.seed) != (cell, 3)]
        if trouble is not None:
            made.append(made_row(cell, 3, None, status=trouble))
        assert chosen(own_rates(found(made)))["relu"] == 0.001, trouble  # the first of equal ones


def test_a_value_without_any_whole_rate_is_left_out_and_named():
    own = rows()
    whole = found([*own, *(made_row({"activation": "mish", "learning_rate": rate}, 0, 0.5) for rate in RATES)],
                  activation=(*BEST, "mish"))  # fmt: skip
    assert "mish" not in chosen(own_rates(whole))
    assert "Left out: mish, with no rate" in page.compose(whole).own_rates[0].note


def test_where_there_was_one_rate_only_nothing_is_chosen():
    several, one = rows(batch_size=128), rows(rates=[0.1], batch_size=24)
    own = own_rates(found(several + one, batch_size=(24, 128)))
    assert [place.name for place in own.places] == ["batch size 128"]
    both = own_rates(found(several + rows(batch_size=24), batch_size=(24, 128)))
    assert [place.name for place in both.places] == ["batch size 24", "batch size 128"]


def test_there_is_none_without_rates_or_without_two_seeds():
    made = rows()
    assert own_rates(findings(material(made))) is None
    factors = {"activation": tuple(BEST), "learning_rate": RATES}
    assert own_rates(findings(material(made, factors=factors, compare="learning_rate"))) is None
    assert own_rates(found(rows(seeds=[0]))) is None


def test_the_page_says_it_in_a_third_sentence_and_in_tables():
    made = page.compose(found(rows()))
    assert len(made.answer) == 3
    assert made.answer[2].startswith("Each with the learning rate that was best for it on validation: elu has the ")
    rates, pairs = made.own_rates
    assert [(row[0], row[1], row[-1]) for row in rates.rows] == [
        ("elu", "0.01", ""),
        ("relu", "0.1", "at the edge of what was tried"),
    ]
    assert len(pairs.rows) == 1 and "a family of its own" in pairs.note
    written = page.markdown(made)
    assert (
        made.answer[2] in written
        and f"\n## At the learning rate of each\n\n### {rates.title}\n" in written
        and f"\n### {pairs.title}\n" in written
    )
    shown = page.html(made, {one.name: (".svg", b"") for one in made.illustrations}, live=False)
    assert "<h2>At the learning rate of each</h2>" in shown and made.answer[2] in shown
    assert not page.compose(findings(material(rows()))).own_rates
