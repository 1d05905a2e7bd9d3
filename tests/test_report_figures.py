"""The figures of a report: those that are asked for, and what they show."""

import dataclasses

import numpy as np
import pytest

from kact import plots
from kact.errors import KactError
from kact.reports import figures, page, tables, write
from kact.reports.findings import findings
from kact.reports.material import Material
from kact.reports.numbers import key
from kact.reports.setting_figures import tuning
from kact.reports.sources import telling
from kact.studies.study_file import load_study, study_names
from tests.made_results import MEANS, made_row, made_rows, material

pytestmark = pytest.mark.any_backend


def test_figures_are_those_that_a_study_asks_for():
    rows = [row for rate in (0.1, 0.2, 0.3) for row in made_rows(MEANS, seeds=2, cell={"dropout": rate})]
    about = {"factors": {"dropout": (0.1, 0.2, 0.3), "activation": tuple(MEANS)}}
    asked = ("sensitivity:dropout", "heat_map:dropout:activation")
    made = page.compose(findings(material(rows, figures=asked, **about)))
    assert [one.name for one in made.figures] == ["sensitivity_dropout", "heat_map_dropout_activation"]
    chosen = [one.name for one in page.compose(findings(material(rows, **about))).figures]
    assert {"bars", "sensitivity_dropout", "heat_map_dropout_activation", "curves", "confusion"} <= set(chosen)


def test_of_a_loss_the_lines_with_the_lowest_points_are_drawn():
    means = {f"value {i:02d}": 0.5 + 0.01 * i for i in range(14)}  # the loss is 1.5 minus this
    rows = [row for rate in (0.1, 0.2, 0.3) for row in made_rows(means, seeds=2, cell={"dropout": rate})]
    about = {"factors": {"dropout": (0.1, 0.2, 0.3), "activation": tuple(means)}, "figures": ("sensitivity:dropout",)}
    (drawn,) = page.compose(findings(material(rows, score="loss", **about))).figures
    assert "value 13 0.9 at" in drawn.alt and "value 00" not in drawn.alt and "12 of 14" in drawn.caption


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("barz", "Did you mean 'bars'"), ("heat_map:activation", "heat_map:FACTOR:FACTOR"), ("bars:activation", "bars"),
        ("sensitivity:activation", "numbers"), ("sensitivity:activatoin", "Did you mean 'activation'"),
    ],
)  # fmt: skip
def test_a_figure_that_is_not_there_is_refused_with_what_is(asked, words):
    with pytest.raises(KactError, match=words):
        page.compose(findings(material(made_rows(MEANS, seeds=2), figures=(asked,))))


def test_feature_maps_are_shown_where_inspect_drew_them(tmp_path):
    rows = made_rows(MEANS, seeds=1)
    folders = {row.path: tmp_path / row.path for row in rows}
    for row in rows:
        (tmp_path / row.path / "figures").mkdir(parents=True)
    made = material(rows, figures=("feature_maps",), folders=folders)
    said = page.compose(findings(made)).limits
    assert any("kact inspect" in line and "--test 10" in line for line in said)
    best, worst = rows[2], rows[0]
    (tmp_path / best.path / "figures" / "feature-maps.png").write_bytes(b"png")
    shown = page.compose(findings(made)).figures
    assert [one.name for one in shown] == ["feature_maps_best"] and "gelu" in shown[0].title
    (tmp_path / worst.path / "figures" / "feature-maps.png").write_bytes(b"png")
    assert [one.name for one in page.compose(findings(made)).figures] == ["feature_maps_best", "feature_maps_worst"]


@pytest.mark.parametrize("name", study_names())
def test_the_figures_and_published_numbers_of_a_bundled_study_can_be_had(name):
    study = load_study(name)
    factors = telling(study)
    cells = [{**cell} for cell in study.cells()]
    shown = {tuple(key(cell[factor]) for factor in factors) for cell in cells}
    assert len(shown) == study.cell_count  # what is shown tells all cells apart
    made = Material(name, (), factors, study.compare)
    for asked in study.figures:
        figures.parse(findings(made), asked)
    rows = tuple(made_row(cell, 0, 0.5) for cell in cells)
    full = dataclasses.replace(made, rows=rows, score=study.score, published=tuple(study.published))
    table = tables.scores(findings(full))
    assert len(table.rows) == study.cell_count and {len(row) for row in table.rows} == {len(table.columns)}
    told = sum(
        value != "–"
        for row in table.rows
        for value, name in zip(row, table.columns, strict=True)
        if "published" in name
    )
    assert bool(told) == bool(study.published)


def test_the_error_on_test_by_epoch_is_drawn_where_it_was_asked_for(tmp_path):
    rows = made_rows(MEANS, seeds=2)
    for row in rows:
        (tmp_path / row.path).mkdir(parents=True)
        (tmp_path / row.path / "test_curve.csv").write_text("epoch,test_curve_loss,test_curve_accuracy\n1,1.0,0.25\n")
    folders = {row.path: tmp_path / row.path for row in rows}
    made = material(rows, folders=folders, figures=("errors",))
    drawn = page.compose(findings(made)).figures[0]
    assert "75.0 (test)" in drawn.alt and "Train is measured while the network learns" in drawn.caption
    (tmp_path / rows[0].path / "test_curve.csv").write_text("epoch,test_curve_accuracy\n1,0.2")
    (tmp_path / rows[1].path / "test_curve.csv").write_text("epoch,test_curve_accuracy\n1,nonsense\n")
    broken = page.compose(findings(made))
    assert not broken.figures and any("test_curve.csv' is damaged" in line for line in broken.limits)


def test_runs_of_other_classes_are_not_added_up_and_the_page_says_that_the_data_changed(tmp_path):
    rows = made_rows(MEANS, seeds=3)
    for row in rows:
        if row.seed == 2:  # a folder of a class was added to one's own data before it
            row.metrics["provenance"]["data"] = "cd" * 32
            test = row.metrics["test"]
            per_class = {**test["per_class"], "fox": next(iter(test["per_class"].values()))}
            row.metrics["test"] = {**test, "per_class": per_class, "confusion": (750 * np.eye(4, dtype=int)).tolist()}
    made = page.compose(findings(material(rows, figures=("confusion",))))
    (drawn,) = made.figures
    assert "2 runs added up" in drawn.caption and drawn.caption.endswith("1 run of other classes left out.")
    assert "of 6,000 right" in drawn.alt
    assert any(line.startswith("The data changed between the runs") for line in made.limits)
    write.write(material(rows), tmp_path, ("md",))
    assert "The data changed between the runs" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("monitor", "axis", "mean"), [("accuracy", "validation accuracy, %", 80), ("loss", "validation loss", 0.4)]
)
def test_what_tuning_saw_is_drawn_by_what_it_chose_by_whatever_is_compared(monitor, axis, mean, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "sensitivity", lambda lines, **labels: drawn.append((lines, labels["y"])))
    rows = [
        dataclasses.replace(
            made_row(
                {"activation": "elu", "learning_rate": rate}, 1000, 0.5, stage="tune", settings={"monitor": monitor}
            ),
            history=[{"epoch": 1, "validation_accuracy": 0.8, "validation_loss": 0.4}],
        )
        for rate in (0.1, 0.01)
    ]
    about = {"tuned": {"learning_rate": (0.1, 0.01)}, "chosen": {'["elu"]': {"learning_rate": 0.1}}, "score": "f1"}
    (figure,) = tuning(findings(material([*rows, made_row({"activation": "elu"}, 0, 0.5)], **about)))
    ((lines, y),) = drawn
    assert figure.name == "tuning_learning_rate" and y == axis
    assert [one.mean for one in lines["elu"].values()] == pytest.approx([mean, mean])


def test_values_of_any_length_fit_into_the_figures(tmp_path):
    long = "my_own_package.activations_of_all_sorts:" + "very_" * 20 + "long(alpha=0.1, beta=0.25)"
    rows = made_rows({long: 0.6, **MEANS}, seeds=2)
    asked = ("bars", "seconds", "loss_scatter", "curves")
    write.write(material(rows, figures=asked), tmp_path, ("md",))
    assert long in (tmp_path / "report.md").read_text().replace("\\", "")
