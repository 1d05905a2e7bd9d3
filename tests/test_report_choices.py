"""What tuning chose, and how near the next best came."""

import dataclasses

import pytest

from kact.reports.choices import at_edge, in_a_line, tuned
from kact.reports.conditions import limits
from kact.reports.findings import findings
from tests.made_results import made_row, material

pytestmark = pytest.mark.any_backend

RATES = (0.1, 0.01, 0.001, 0.0001)


def chosen_table(scores, chosen, **about):
    """The table of one activation; see `chosen_material`."""
    return tuned(chosen_material(scores, chosen, **about))


def chosen_material(scores, chosen, **about):
    """What a report is made from, from the validation scores of one activation by rate; None diverged."""
    rows = [
        dataclasses.replace(
            made_row({"activation": "elu", "learning_rate": rate}, 1000 + seed, score, stage="tune",
                     status="finished" if score else "diverged"),
            history=[{"epoch": 1, "validation_accuracy": score, "validation_loss": 1.0}],
        )
        for rate, found in scores.items()
        for seed, score in enumerate(found)
    ]  # fmt: skip
    compared = [made_row({"activation": "elu"}, 0, 0.5)]
    about = {"tuned": {"learning_rate": RATES}, "chosen": {'["elu"]': chosen}, **about}
    return material([*rows, *compared], **about)


def test_the_next_best_is_beside_the_choice_with_its_score():
    scores = {0.1: [0.5, 0.7], 0.01: [0.9, 0.8], 0.001: [0.84, 0.84], 0.0001: [0.2, 0.2]}
    table = chosen_table(scores, {"learning_rate": 0.01})
    assert table.columns[-4:] == ("chosen learning rate", "validation accuracy, %", "next best", "remark")
    assert table.rows == (("elu", "0.01", "85.00", "0.001: 84.00", ""),)
    assert "2 seeds, which take no part" in table.note and "More values" not in table.note


def test_a_candidate_of_which_a_run_diverged_is_not_the_next_best():
    table = chosen_table({0.1: [0.95, None], 0.01: [0.7, 0.7], 0.001: [0.6, 0.6]}, {"learning_rate": 0.01})
    assert table.rows == (("elu", "0.01", "70.00", "0.001: 60.00", ""),)


def test_one_that_has_runs_still_to_come_is_not_either():
    table = chosen_table({0.1: [0.95], 0.01: [0.7, 0.7], 0.001: [0.6, 0.6]}, {"learning_rate": 0.01})
    assert table.rows == (("elu", "0.01", "70.00", "0.001: 60.00", ""),)


def test_one_candidate_has_none_beside_it_and_nothing_chosen_says_so():
    table = chosen_table({0.1: [0.5]}, {"learning_rate": 0.1})
    assert table.rows == (("elu", "0.1", "50.00", "", "at the edge of what was tried: learning rate"),)
    assert "one seed, which takes no part" in table.note and "More values can be added" in table.note
    assert chosen_table({0.1: [None]}, None).rows == (("elu", "none could be chosen", "–", "", ""),)
    assert tuned(material([made_row({"activation": "elu"}, 0, 0.5)])) is None


def test_two_values_have_no_edge():
    assert not at_edge([0.1, 0.01], 0.1) and at_edge([0.1, 0.01, 0.001], 0.001)


def test_a_next_best_within_a_standard_error_is_told_with_the_choice_and_the_limits():
    close = {0.1: [0.2], 0.01: [0.9], 0.001: [0.897], 0.0001: [0.2]}  # of 3,000 validation examples
    assert chosen_table(close, {"learning_rate": 0.01}).rows[0][-1] == "the next best is within a standard error"
    apart = {**close, 0.001: [0.89]}
    assert chosen_table(apart, {"learning_rate": 0.01}).rows[0][-1] == ""
    said = "For elu another candidate is within a standard error of the chosen one on validation"
    for scores, count in ((close, 1), (apart, 0)):
        found = limits(findings(chosen_material(scores, {"learning_rate": 0.01})))
        assert sum(one.startswith(said) for one in found) == count


def test_choices_are_told_in_a_line():
    scores = {0.1: [0.9], 0.01: [0.5], 0.001: [0.5], 0.0001: [0.2]}
    told = in_a_line(chosen_material(scores, {"learning_rate": 0.1}))
    assert told == "The learning rate chosen for each on validation: elu 0.1 (the edge of what was tried)."
    assert in_a_line(chosen_material(scores, {"learning_rate": 0.01})).endswith("elu 0.01.")
    assert in_a_line(chosen_material(scores, None)).endswith("elu none.")
    assert in_a_line(material([made_row({"activation": "elu"}, 0, 0.5)])) == ""
