"""What tuning chose, and how near the next best came."""

import pytest

from kact.reports.choices import at_edge, tuned
from tests.made_results import made_row, material

pytestmark = pytest.mark.any_backend

RATES = (0.1, 0.01, 0.001, 0.0001)


def chosen_table(scores, chosen, **about):
    """The table of one activation, from the scores of its rates on validation; None is a run that diverged."""
    rows = [
        made_row({"activation": "elu", "learning_rate": rate}, 1000 + seed, score and score - 0.01, stage="tune",
                 status="finished" if score else "diverged")
        for rate, found in scores.items()
        for seed, score in enumerate(found)
    ]  # fmt: skip
    compared = [made_row({"activation": "elu"}, 0, 0.5)]
    about = {"tuned": {"learning_rate": RATES}, "chosen": {'["elu"]': chosen}, **about}
    return tuned(material([*rows, *compared], **about))


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
