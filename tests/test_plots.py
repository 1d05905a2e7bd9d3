"""The figures: what is drawn is what was given, and nothing outside of them changes."""

import matplotlib
import numpy as np
import pytest
from PIL import Image

from kact import plots
from kact.errors import KactError

pytestmark = pytest.mark.any_backend


def sheet(maps, **keywords):
    images = np.full((len(maps), 6, 6, 3), 128.0)
    return plots.feature_map_sheet(images, maps, ["cat 0.90"] * len(maps), title="maps", **keywords)


def pictures(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images and axes.get_label() == ""]


def test_each_map_is_drawn_in_its_row_and_column(rng):
    maps = rng.uniform(0, 3, (4, 5, 5, 7)).astype("float32")
    drawn = pictures(sheet(maps))
    assert len(drawn) == 4 * (1 + 7)
    for row in range(4):
        for column in range(7):
            np.testing.assert_array_equal(drawn[row * 8 + 1 + column], maps[row, ..., column])


def test_all_maps_share_one_scale_that_shows_a_dead_one_as_flat(rng):
    maps = rng.uniform(0, 3, (2, 5, 5, 3))
    maps[..., 1] = 0
    shown = [axes.images[0] for axes in sheet(maps).axes if axes.images and axes.images[0].get_array().shape == (5, 5)]
    assert len({one.get_clim() for one in shown}) == 1 and shown[0].get_clim()[0] == 0
    signed = [axes.images[0] for axes in sheet(maps - 1).axes if axes.images and axes.images[0].get_array().ndim == 2]
    assert signed[0].get_clim()[0] == -signed[0].get_clim()[1]


@pytest.mark.parametrize(
    "maps", [np.zeros((1, 1, 1, 1)), np.full((2, 3, 3, 2), np.nan), np.zeros((52, 2, 2, 1)), np.zeros((1, 2, 2, 40))]
)
def test_odd_maps_are_drawn_too(maps, tmp_path):
    figure = sheet(maps)
    assert len(pictures(figure)) == min(len(maps), 50) * (1 + min(maps.shape[-1], 32))
    if len(maps) < 10:
        plots.write(figure, tmp_path / "odd.png")


def test_captions_say_right_and_wrong_in_words_and_colour():
    figure = sheet(np.ones((3, 2, 2, 1)), right=[True, False, None])
    labels = [axes.yaxis.label for axes in figure.axes if axes.get_ylabel() == "cat 0.90"]
    assert len({label.get_color() for label in labels}) == 3


@pytest.mark.parametrize(("channels", "count"), [(3, 6), (1, 100), (2, 1)])
def test_kernels(channels, count, rng, tmp_path):
    kernels = rng.normal(size=(count, 4, 5, channels))
    drawn = pictures(plots.kernel_sheet(kernels, title="kernels"))
    assert len(drawn) == min(count, 64)
    if channels == 3:
        assert drawn[0].min() >= 0 and drawn[0].max() <= 1
        np.testing.assert_allclose(drawn[3], 0.5 + kernels[3] / (2 * np.abs(kernels).max()))
    else:
        np.testing.assert_allclose(drawn[0], kernels[0].mean(axis=-1))


def test_curves_draw_the_history():
    history = [
        {"epoch": e, **{f"{s}_{m}": e + i for i, s in enumerate(("train", "validation")) for m in ("loss", "accuracy")}}
        for e in (1, 2, 3)
    ]
    figure = plots.curves(history, title="a run", kept_epoch=2)
    for axes in figure.axes:
        train, validation, kept = axes.lines
        assert list(train.get_ydata()) == [1, 2, 3] and list(validation.get_ydata()) == [2, 3, 4]
        assert train.get_linestyle() != validation.get_linestyle() and set(kept.get_xdata()) == {2}


def test_curves_without_validation_show_train_alone():
    history = [{"epoch": e, "train_loss": 1 / e, "train_accuracy": 0.5} for e in (1, 2)]
    assert [len(axes.lines) for axes in plots.curves(history, title="a run").axes] == [1, 1]


def test_the_confusion_is_a_share_of_its_row_with_the_counts_in_it():
    counts = np.array([[8, 2], [0, 0]])
    figure = plots.confusion_matrix(counts, ["ant", "bee"], title="confusion")
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.8, 0.2], [0, 0]])
    assert [text.get_text() for text in axes.texts] == ["8", "2", "0", "0"]
    assert [axes.get_xlabel(), axes.get_ylabel()] == ["predicted", "true"]
    many = plots.confusion_matrix(np.eye(25, dtype=int), [f"tag {i}" for i in range(25)], title="tags")
    assert not many.axes[0].texts


def test_diagnostics_draw_each_layer():
    records = [
        {"epoch": e, "layer": layer, "units": 4, "dead": d, "saturated": d, "activation_mean": 0.0,
         "activation_std": d, "gradient_norm": g}
        for e in (0, 1)
        for layer, d, g in [("conv1", None, 0.1), ("conv1_activation", 0.25, None), ("logits", None, 0.0)]
    ]  # fmt: skip
    gradients, _, dead, _ = plots.diagnostics(records, title="layers").axes
    assert [line.get_label() for line in gradients.lines] == ["conv1", "logits"]
    assert [line.get_label() for line in dead.lines] == ["conv1_activation"]
    assert list(dead.lines[0].get_ydata()) == [0.25, 0.25] and list(dead.lines[0].get_xdata()) == [0, 1]


@pytest.mark.parametrize("kind", plots.FORMATS)
def test_the_same_results_give_the_same_file_and_nothing_else_changes(kind, tmp_path):
    history = [{"epoch": 1, "train_loss": 1.0, "validation_loss": 1.2}]
    before = dict(matplotlib.rcParams)
    one, other = (plots.write(plots.curves(history, title="a"), tmp_path / f"{i}.{kind}") for i in (1, 2))
    assert one.read_bytes() == other.read_bytes()
    assert dict(matplotlib.rcParams) == before
    if kind == "png":
        with Image.open(one) as image:
            assert image.size[0] > 400
    else:
        assert "<svg" in one.read_text() and "epoch" in one.read_text()  # text stays text


def test_a_figure_of_no_known_kind_is_refused(tmp_path):
    figure = plots.curves([{"epoch": 1, "train_loss": 1.0, "validation_loss": 1.2}], title="a")
    with pytest.raises(KactError, match=r"\.png, \.svg"):
        plots.write(figure, tmp_path / "figure.bmp")
    (tmp_path / "no").write_text("a file")
    with pytest.raises(KactError, match="Cannot write"):
        plots.write(figure, tmp_path / "no" / "folder.png")
