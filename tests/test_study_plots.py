import numpy as np
import pytest

from kact import plots
from kact.plots.style import COLOURS, series

pytestmark = pytest.mark.any_backend


def band(end, runs=3):
    epochs = np.arange(1, 6)
    mean = np.linspace(0, end, 5)
    return plots.Band(
        epochs, mean, mean - 1 if runs > 1 else mean * np.nan, mean + 1 if runs > 1 else mean * np.nan, runs
    )


def estimate(mean, published=None):
    return plots.PlottedMean(mean, mean - 1, mean + 1, (mean - 0.5, mean + 0.5), published)


def test_series_differ_in_more_than_colour():
    looks = series([str(i) for i in range(28)])
    assert len({(look["color"], look["linestyle"]) for look in looks.values()}) == 28
    first = list(looks.values())[: len(COLOURS)]
    for mark in ("color", "marker", "hatch"):
        assert len({look[mark] for look in first}) == len(COLOURS)


def test_a_value_looks_alike_in_every_figure():
    order = ["relu", "mish", "elu"]
    ranked = plots.bars({"": {"elu": estimate(60), "relu": estimate(50)}}, x="accuracy, %", order=order)
    lines = plots.learning_curves({"": {"relu": band(50), "elu": band(60)}}, y="accuracy, %", order=order)
    marks = {line.get_color() for line in ranked.axes[1].lines if line.get_marker() == series(order)["elu"]["marker"]}
    assert marks == {lines.axes[0].lines[1].get_color()} == {series(order)["elu"]["color"]}


def test_bars_begin_at_zero_and_are_shown_close_up():
    figure = plots.bars(
        {"small": {"relu": estimate(50, 51.5), "elu": estimate(52)}}, x="test accuracy, %", y="activation"
    )
    whole, close = figure.axes
    assert [bar.get_width() for bar in whole.patches] == [50, 52] and whole.get_xlim()[0] == 0
    assert close.get_xlim()[0] > 40 and [label.get_text() for label in whole.get_yticklabels()] == ["relu", "elu"]
    assert [text.get_text() for text in whole.texts] == ["small"]
    assert any(line.get_marker() == "x" and list(line.get_xdata()) == [51.5] for line in close.lines)


def test_what_lies_far_from_all_others_is_an_arrow_at_the_edge():
    cells = {f"{i}": estimate(60 + i) for i in range(6)}
    _, close = plots.bars({"": {**cells, "dead": estimate(10)}}, x="test accuracy, %").axes
    assert [text.get_text() for text in close.texts] == ["← 10"] and close.get_xlim()[0] > 50


def test_curves_have_a_line_and_a_band_a_value():
    figure = plots.learning_curves({"small": {"relu": band(50), "elu": band(60)}, "large": {"relu": band(55)}}, y="%")
    small, large = figure.axes
    assert [line.get_label() for line in small.lines] == ["relu", "elu"] and len(small.collections) == 2
    assert list(large.lines[0].get_ydata()) == list(band(55).mean) and small.get_title() == "small"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["relu", "elu"]


def test_one_run_has_a_line_without_a_band():
    assert not plots.learning_curves({"": {"relu": band(50, runs=1)}}, y="%").axes[0].collections


def test_many_values_get_a_panel_each_with_the_others_behind():
    figure = plots.learning_curves({"": {f"value {i}": band(50 + i) for i in range(8)}}, y="%")
    shown = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in shown] == [f"value {i}" for i in range(8)]
    assert all(len(axes.lines) == 9 for axes in shown)


def test_splits_are_drawn_side_by_side():
    figure = plots.by_split({"relu": {"train": band(50), "validation": band(60), "test": band(61)}}, y="error, %")
    assert [line.get_label() for line in figure.axes[0].lines] == ["train", "validation", "test"]
    assert len({line.get_linestyle() for line in figure.axes[0].lines}) == 3


def test_seconds_are_boxes_by_value_and_group():
    figure = plots.seconds({"batch norm: no": {"relu": [1, 2, 3]}, "batch norm: yes": {"relu": [2, 3, 4], "elu": [5]}})
    (axes,) = figure.axes
    assert len(axes.patches) == 3 and [label.get_text() for label in axes.get_yticklabels()] == ["relu", "elu"]
    medians = sorted(
        {line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1 and line.get_color() == "black"}
    )
    assert {2, 3, 5} <= set(medians)


def test_losses_are_a_mark_a_run(tmp_path):
    figure = plots.loss_scatter({"relu": [(0.5, 0.6), (0.4, 0.7)], "elu": [(0.1, 0.9)]})
    marks = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(marks["relu"].get_xdata()) == [0.5, 0.4] and list(marks["relu"].get_ydata()) == [0.6, 0.7]
    plots.write(figure, tmp_path / "losses.svg", text=False)
    assert "<text" not in (tmp_path / "losses.svg").read_text()  # outlines look alike without Matplotlib's font


def test_heat_maps_write_their_numbers_and_mark_what_is_missing():
    values = np.array([[50.0, 60.0], [np.nan, 70.0]])
    figure = plots.heat_maps(
        {"accuracy, %": values, "training, s": values * 10}, ["1", "2"], ["a", "b"], y="depth", x="width"
    )
    first, second = (axes for axes in figure.axes if axes.get_xlabel() == "width")
    assert [text.get_text() for text in first.texts] == ["50.0", "60.0", "–", "70.0"]
    assert [text.get_text() for text in second.texts] == ["500", "600", "–", "700"]
    assert [text.get_color() for text in first.texts][::3] == ["white", "black"]


def test_sensitivity_keeps_even_steps_and_rings_what_was_chosen():
    line = {0.001: estimate(50), 0.01: estimate(60), 1.0: estimate(40)}
    figure = plots.sensitivity({"relu": line, "elu": line}, x="learning rate", y="%", chosen={"relu": 0.01})
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.001", "0.01", "1"]
    rings = [one for one in axes.lines if one.get_markerfacecolor() == "none"]
    assert len(rings) == 1 and list(rings[0].get_ydata()) == [60]


def test_ranks_have_a_bar_over_what_cannot_be_told_apart():
    figure = plots.critical_difference({"relu": 3.0, "elu": 1.5, "mish": 1.6}, [("elu", "mish")], tasks=5)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["elu  1.50", "mish  1.60", "relu  3.00"]
    (bar,) = axes.collections
    assert bar.get_segments()[0][:, 0].tolist() == [1.5, 1.6] and "5 tasks" in axes.get_xlabel()
