"""What a report says and does not say: of few seeds, failures, places, tasks, and runs that are missing."""

import numpy as np
import pytest

from kact import stats
from kact.errors import KactError
from kact.reports import page
from kact.reports.answer import answer
from kact.reports.bands import band
from kact.reports.conditions import limits
from kact.reports.findings import findings
from kact.reports.material import Material
from kact.reports.sources import of_study
from tests.made_results import MEANS, made_row, made_rows, material, write_study

pytestmark = pytest.mark.any_backend


def test_one_seed_tells_nothing():
    found = findings(material(made_rows(MEANS, seeds=1), figures=("bars",)))
    first, second = answer(found)
    assert first.startswith("Each was run with one seed only, and nothing can be told from one seed")
    assert second.startswith("gelu has the highest test accuracy") and second.endswith("it may be another.")
    made = page.compose(found)
    assert all("nothing can be told" in row for row in made.comparisons[0].rows)
    assert any("One seed a cell" in line for line in made.limits)


def test_seeds_that_no_two_have_in_common_tell_nothing():
    rows = [*made_rows({"relu": 0.5}, seeds=3), *made_rows({"elu": 0.6}, seeds=1)]
    said = answer(findings(material(rows)))
    assert said[0].startswith("No two have more than one seed in common, and nothing can be told")


def test_what_differs_without_the_best_is_told_too():
    """As on digits: the best varies so much that it cannot be told from the last, and others can."""
    spread = [0.05, -0.05] * 5
    scores = {
        "tanh": [0.975 + one for one in spread],
        "mish": [0.970 + one / 100 for one in spread],
        "silu": [0.969 + one / 90 for one in spread],
        "relu": [0.940 - one / 80 for one in spread],
    }
    rows = [made_row({"activation": name}, seed, one) for name, all in scores.items() for seed, one in enumerate(all)]
    said = answer(findings(material(rows)))[0]
    assert said.startswith("tanh has the highest mean") and "no detectable difference between it and mish" in said
    assert said.endswith("; of the others mish is detectably better than silu and relu, and silu than relu.")


def test_two_that_share_the_best_mean_are_named_together():
    scores = {"relu": [0.90, 0.92, 0.94], "mish": [0.94, 0.90, 0.92], "tanh": [0.50, 0.51, 0.53]}
    rows = [made_row({"activation": name}, seed, one) for name, all in scores.items() for seed, one in enumerate(all)]
    said, ability = answer(findings(material(rows)))
    assert "relu and mish share the highest mean" in said or "mish and relu share the highest mean" in said
    assert "92.0 % (n = 3)" in said and "interval" not in said  # of two, neither's alone
    assert ability.endswith("a smaller one may be there unseen (the sign-flip test wants at least 7 seeds).")
    assert "between it and" not in said and "tanh" in said
    said = answer(findings(material([row for row in rows if row.cell["activation"] != "tanh"])))[0]
    assert said.endswith("n = 3).")


def test_who_shares_the_best_mean_in_one_of_several_tables_is_counted_there():
    scores = {("mlp", "relu"): [0.90, 0.92], ("mlp", "mish"): [0.92, 0.90], ("cnn", "relu"): [0.95, 0.97]}
    scores |= {("cnn", "mish"): [0.90, 0.91]}
    rows = [
        made_row({"model": model, "activation": name}, seed, one)
        for (model, name), both in scores.items()
        for seed, one in enumerate(both)
    ]
    factors = {"activation": ("relu", "mish"), "model": ("mlp", "cnn")}
    said = answer(findings(material(rows, factors=factors)))[0]
    assert "is that of relu in 2 and mish in 1, counted for each where several share it" in said


def test_runs_that_all_failed_or_diverged_make_a_page_that_says_so():
    rows = [made_row({"activation": name}, 0, None, status="failed", error="no memory") for name in MEANS]
    rows += [made_row({"activation": name}, 1, None, status="diverged") for name in MEANS]
    made = page.compose(findings(material(rows)))
    assert made.answer == (
        "No run has a test score, so nothing can be told.",
        "3 runs failed and 3 runs diverged; the table below says which.",
    )  # fmt: skip
    assert {row[5] for row in made.scores.rows} == {"1, 1"}
    assert "3 runs failed and left no score: no memory (3)." in made.limits
    assert page.markdown(made)


def test_what_left_no_score_is_named_where_nothing_else_is_left():
    rows = [made_row({"activation": "relu"}, seed, 0.9) for seed in range(3)]
    rows += [made_row({"activation": "own:bad"}, seed, None, status="failed") for seed in range(3)]
    assert "no run of own:bad left a score." in answer(findings(material(rows)))[1]


def test_too_few_seeds_for_any_difference_are_said_to_be_so():
    rows = [made_row({"activation": name}, seed, score) for name, seed, score in
            (("relu", 0, 0.1), ("relu", 1, 0.6), ("elu", 0, 0.7), ("elu", 1, 0.5))]  # fmt: skip
    assert answer(findings(material(rows)))[1].startswith("2 paired seeds are too few")


def test_equal_scores_have_no_interval_and_differences_that_none_can_reach_no_use():
    rows = [made_row({"activation": name}, seed, score) for name, seed, score in
            (("relu", 0, 0.5), ("relu", 1, 0.55), ("elu", 0, 0.6), ("elu", 1, 0.6))]  # fmt: skip
    said, ability = answer(findings(material(rows)))
    assert "elu has the highest mean test accuracy, 60 % (n = 2), but" in said
    assert ability.startswith("2 paired seeds are too few: only a true difference of about ")


def test_a_difference_that_is_the_same_on_every_seed_tells_nothing_of_what_could_be_seen():
    right = {"relu": (336, 337), "elu": (340, 341)}
    rows = [
        made_row({"activation": name}, seed, one / 359) for name, both in right.items() for seed, one in enumerate(both)
    ]
    found = findings(material(rows, figures=("bars", "curves")))
    assert answer(found)[1] == "What 2 paired seeds could have shown cannot be told: the differences have no spread."
    (difference,) = page.compose(found).comparisons[0].rows
    assert difference[1:4] == ("no detectable difference", "+1.11", "–") and difference[-1] == "–"


def test_epochs_of_which_all_runs_are_alike_have_no_band():
    rows = [made_row({"activation": "relu"}, seed, one) for seed, one in enumerate((0.5, 0.6))]
    for row in rows:
        row.history[1]["validation_accuracy"] = 0.25
    assert np.isnan(band(rows, "validation_accuracy").low).tolist() == [False, True, False, False]


def test_pairs_of_fewer_seeds_than_the_ability_is_told_of_are_named():
    rows = made_rows(MEANS, seeds=7)
    fewer = [row for row in rows if row.cell["activation"] != "gelu" or row.seed < 3]
    assert "With 7 paired seeds, a true" in answer(findings(material(rows)))[1]
    assert "With 7 paired seeds (some pairs have 3, and show less), a true" in answer(findings(material(fewer)))[1]


def test_data_that_changed_between_runs_is_told():
    rows = made_rows(MEANS, seeds=2)
    assert not any("data changed" in line for line in limits(findings(material(rows))))
    rows[0].metrics["provenance"]["data"] = "cd" * 32
    assert any(line.startswith("The data changed between the runs") for line in limits(findings(material(rows))))


@pytest.mark.parametrize(("seconds", "told"), [(0.2, "1.2 s"), (670, "1 h 07 min")])
def test_training_time_is_told_as_everywhere_else(seconds, told):
    rows = page.compose(findings(material(made_rows(MEANS, seeds=2, seconds=seconds)))).conditions.rows
    assert ("training time, all runs", told) in rows


def test_a_bundled_study_names_its_command():
    told = page.compose(findings(material(made_rows(MEANS, seeds=2), name="cifar-lenet", quick=True))).conditions.rows
    assert told[0] == ("command", "kact study run cifar-lenet --quick, then kact report")
    assert page.compose(findings(material(made_rows(MEANS, seeds=2)))).conditions.rows[0][0] != "command"


def test_of_a_tagger_the_binomial_error_is_the_least_that_it_is():
    rows = made_rows(MEANS, seeds=2)
    assert "would move an accuracy by about 0.88 points (one standard error)." in " ".join(
        limits(findings(material(rows)))
    )
    for row in rows:
        row.metrics["timing"]["tokens_per_second"] = row.metrics["timing"].pop("images_per_second")
    assert "by at least 0.88 points (one standard error; the words of" in " ".join(limits(findings(material(rows))))


def test_an_interval_ends_where_scores_do():
    rows = [made_row({"activation": "relu"}, seed, score) for seed, score in ((0, 0.10), (1, 0.14))]
    found = findings(material(rows, figures=("errors",)))
    assert found.summaries[0].interval == (0.0, pytest.approx(0.374, abs=1e-3))  # Student's t begins at -0.134
    assert "0 to 37" in page.compose(found).scores.rows[0]
    drawn = band(rows, "validation_accuracy", 100.0, complement=True)
    assert drawn.low.min() >= 0 and drawn.high.max() <= 100


def test_failures_are_counted_and_their_seeds_left_out_of_pairs():
    rows = made_rows({"relu": 0.6, "elu": 0.7})
    rows[0] = made_row({"activation": "relu"}, 0, None, status="diverged")
    found = findings(material(rows, figures=("bars",)))
    relu = next(row for row in page.compose(found).scores.rows if row[0] == "relu")
    assert relu[4:6] == ("5", "0, 1") and found.comparisons[0].n == 5


def test_a_study_half_done_says_how_much_is_missing(tmp_path):
    folder = write_study(tmp_path / "half", made_rows(MEANS, seeds=2), grid={"activation": list(MEANS)})
    made = page.compose(findings(of_study(folder)))
    assert made.missing == "6 of 18 runs are done; this is what they say."
    assert "12 of 18 runs are missing yet" in " ".join(made.limits)


def test_a_lower_loss_is_better():
    found = findings(material(made_rows(MEANS), score="loss"))
    assert found.places[0].best == "gelu"
    assert answer(found)[0].startswith("gelu has the lowest mean test loss")
    assert "gelu is better" in {row[1] for row in page.compose(found).comparisons[0].rows}


def test_cells_of_a_grid_are_compared_within_their_place():
    rows = [
        row for size, shift in ((16, 0.0), (64, 0.1))
        for row in made_rows({name: mean + shift for name, mean in MEANS.items()}, cell={"batch_size": size})
    ]  # fmt: skip
    found = findings(material(rows, factors={"batch_size": (16, 64), "activation": tuple(MEANS)}))
    assert [place.name for place in found.places] == ["batch size 16", "batch size 64"]
    assert len(found.comparisons) == 6 and found.best_cell.others == {"batch_size": 64}
    assert "Over 2 values of batch size" in answer(found)[0] and "at batch size 64" in answer(found)[0]
    alike = [
        row for size in (16, 64) for row in made_rows({"relu": 0.6, "elu": 0.6}, cell={"batch_size": size}, seeds=2)
    ]
    told = answer(findings(material(alike, factors={"batch_size": (16, 64), "activation": ("relu", "elu")})))[0]
    assert "in none of them can the best be told from all others, and none of 2 comparisons in all shows a" in told


def test_tasks_are_put_together_and_ranked():
    rows = [row for task in ("digits", "mnist", "stl10") for row in made_rows(MEANS, cell={"task": task})]
    found = findings(material(rows, factors={"task": ("digits", "mnist", "stl10"), "activation": tuple(MEANS)}))
    made = page.compose(found)
    assert [row[0] for row in made.over_tasks.rows] == ["gelu", "elu", "relu"]
    values = np.array([[row.score("test", "accuracy") for row in rows if row.cell["activation"] == "gelu"]] * 1)
    pooled = stats.interquartile_mean(values.reshape(3, 6), np.random.default_rng(0))
    assert made.over_tasks.rows[0][1] == f"{100 * pooled.estimate:.2f}"
    ranks = next(one for one in made.figures if one.name == "critical_difference")
    assert "gelu 1.00" in ranks.alt and "relu 3.00" in ranks.alt


def test_runs_that_never_learned_are_told_where_others_did():
    rows = made_rows(MEANS)
    rows[:2] = [made_row({"activation": "relu"}, seed, 0.34) for seed in (0, 1)]
    assert "Of relu, 2 of 6 runs ended near chance: the mean is of two kinds of runs." in limits(
        findings(material(rows))
    )
    stuck = made_rows({"relu": 0.34, "elu": 0.7})
    assert "1 of 2 cells ended near chance in each run: nothing was learned." in limits(findings(material(stuck)))


@pytest.mark.parametrize(
    ("accuracy", "counts", "told"),
    [
        (0.73, [1500, 1500], False),
        (0.51, [1500, 1500], True),
        (0.14, [420, *[105] * 24], True),  # 25 tags, one of which is named for all
        (0.20, [420, *[105] * 24], False),
    ],
)
def test_near_chance_is_what_one_label_for_all_gives(accuracy, counts, told):
    rows = made_rows({"relu": accuracy, "elu": accuracy}, spread=0.0)
    for row in rows:
        row.metrics["test"]["per_class"] = {str(label): {"examples": count} for label, count in enumerate(counts)}
        row.metrics["test"]["examples"] = sum(counts)
    said = limits(findings(material(rows)))
    assert any("2 of 2 cells ended near chance in each run" in line for line in said) == told


def test_values_that_read_alike_are_refused():
    rows = [*made_rows({True: 0.6}, factor="batch_norm"), *made_rows({"yes": 0.6}, factor="batch_norm")]
    made = Material("made", tuple(rows), {"batch_norm": (True, "yes")}, compare="batch_norm")
    with pytest.raises(KactError, match="read alike"):
        findings(made)


@pytest.mark.parametrize(
    ("size", "keep", "task", "told"),
    [(64, "last", {"input_shape": [8, 8, 1]}, True), (64, "best", {"input_shape": [8, 8, 1]}, False),
     (50, "last", {"input_shape": [8, 8, 1]}, False), (64, "last", {}, False)],
)  # fmt: skip
def test_a_small_last_step_right_before_the_scores_is_told(size, keep, task, told):
    rows = made_rows({"relu": 0.9, "elu": 0.91}, settings={"batch_size": size, "keep": keep})
    for row in rows:
        row.metrics["train"]["examples"] = 15 * 64 + 8
        row.metrics["task"] = task
    said = [line for line in limits(findings(material(rows))) if "the last step of an epoch sees 8 examples" in line]
    assert len(said) == told and all(line.startswith("At batch size 64 ") for line in said)
