"""Diagnostics: what is dead, what is saturated, which gradients; and that looking changes nothing."""

import keras
import numpy as np
import pytest

from kact import activations, backend, diagnostics, losses
from kact.diagnostics import feature_maps
from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import MODELS, build_model
from kact.runs.checkpoint import Checkpoint
from kact.text.token_batches import weighted
from kact.train import run
from kact.training import diary
from kact.training.assembly import build_network, load_arrays_of
from tests.experiments import TAGGERS, small
from tests.references import REFERENCES

SMALL = Experiment(
    model={"name": "mlp", "hidden_units": [8, 6]},
    epochs=2,
    train_examples=100,
    dropout=0.2,
    batch_norm=True,
    activation="rrelu",
    learning_rate=0.01,
)
CROSS_ENTROPY = losses.make_loss("cross_entropy", 10)


def images(rng, count=12, shape=(8, 8, 1)):
    return rng.integers(0, 256, (count, *shape)).astype("float32")


def assert_alike(one, other):
    assert one.keys() == other.keys()
    for key, value in other.items():
        same = isinstance(value, float) and one[key] is not None
        assert one[key] == (pytest.approx(value, rel=1e-3, abs=1e-5) if same else value), (one, other)


def nested(rng):
    """Return a small convolutional model, and one whose backbone it is, with a head of one weight matrix."""
    inner = build_model({"name": "cnn", "filters": [3, 4], "hidden_units": [6]}, (8, 8, 1), 10, activation="tanh")
    inputs = keras.Input((8, 8, 1), name="image")
    outer = keras.Model(inputs, inner(keras.layers.Rescaling(2.0, name="normalize")(inputs)), name="outer")
    return inner, outer


def test_layers_inside_a_models_model_are_seen(rng):
    inner, outer = nested(rng)
    x, labels = images(rng), np.arange(12) % 10
    assert list(feature_maps.layers_of(outer))[:4] == ["image", "normalize", "cnn/image", "cnn/conv1"]
    assert feature_maps.last_maps(outer) == "cnn/conv2_activation"
    for layer in ("conv1", "conv2_activation"):
        wanted = feature_maps.feature_maps(inner, 2 * x, layer)
        np.testing.assert_allclose(feature_maps.feature_maps(outer, x, f"cnn/{layer}"), wanted, rtol=1e-4, atol=1e-4)
    assert feature_maps.first_kernels(outer).shape == (3, 3, 3, 1)
    with pytest.raises(KactError, match="Did you mean 'cnn/conv1'"):
        feature_maps.feature_maps(outer, x, "conv1")
    for one, other in zip(observe(outer, x, labels), observe(inner, 2 * x, labels), strict=True):
        assert_alike(one, {**other, "layer": f"cnn/{other['layer']}"})


# --- dead and saturated units ---


@pytest.mark.parametrize("name", [name for name in REFERENCES if name not in ("prelu", "rrelu")])
def test_slopes_are_the_formulas(name, rng):
    z = rng.uniform(-6, 6, (200, 1)).astype("float32")
    _, parameters = activations.resolve(name)
    wide = z.astype("float64")
    step = 1e-6
    wanted = (REFERENCES[name](wide + step, **parameters) - REFERENCES[name](wide - step, **parameters)) / (2 * step)
    found = diagnostics.slopes(activations.make(name), z)
    curved = np.abs(found - wanted)[:, 0]
    # A kink within a step of a point, or a point at a formula's own corner, is no fault of either.
    assert np.quantile(curved, 0.97) < 2e-3 and np.median(curved) < 2e-4


def with_units_that_see(values, activation):
    """Return a network of one hidden layer whose units each see a constant, and its input."""
    model = build_model({"name": "mlp", "hidden_units": [len(values)]}, (2, 2, 1), 10, activation=activation)
    kernel, bias = model.get_layer("dense1").weights
    kernel.assign(np.zeros(kernel.shape))
    bias.assign(np.array(values))
    return model, np.zeros((8, 2, 2, 1), "float32"), np.arange(8)


@pytest.mark.parametrize(
    ("activation", "values", "dead", "saturated"),
    [
        ("relu", [-1, -2, 3, 4], 0.5, 0.5),
        ("leaky_relu(negative_slope=0.1)", [-1, -2, 3, 4], 0, 0),
        ("leaky_relu(negative_slope=0.001)", [-1, -2, 3, 4], 0, 0.5),
        ("sigmoid", [0, 2, 6, -30], 0.25, 0.5),
        ("gelu", [-20, -4, 0, 3], 0.25, 0.5),
        ("prelu", [-20, -5, 0, 3], 0, 0),
        ("elu", [-6, -1, 0, 3], 0, 0.25),
    ],
)
def test_dead_and_saturated_units_are_counted(activation, values, dead, saturated):
    model, x, labels = with_units_that_see(values, activation)
    record = next(one for one in observe(model, x, labels) if one["layer"] == "dense1_activation")
    assert record["units"] == 4
    assert record["dead"] == dead and record["saturated"] == saturated


def observe(model, x, labels):
    if backend.name() not in backend.TRAINING_BACKENDS:
        pytest.skip("no gradients here")
    return diagnostics.observer(model, x, labels, CROSS_ENTROPY)()


def test_no_gradient_reaches_a_dead_unit_and_the_norm_is_that_of_the_rest():
    """With softmax outputs p, the gradient by the output bias is mean(p - y), and a dead layer's is zero."""
    model, x, labels = with_units_that_see([-1, -2, -3, -4], "relu")
    records = {one["layer"]: one for one in observe(model, x, labels)}
    assert records["dense1_activation"]["dead"] == 1
    assert records["dense1"]["gradient_norm"] == 0
    wanted = np.full(10, 0.1) - np.bincount(labels, minlength=10) / len(labels)
    assert records["logits"]["gradient_norm"] == pytest.approx(np.linalg.norm(wanted), rel=1e-5)
    assert records["dense1_activation"]["gradient_norm"] is None and records["dense1"]["dead"] is None


def test_weights_of_examples_weigh_the_mean_loss():
    model, x, labels = with_units_that_see([1, 2, 3, 4], "relu")
    observe(model, x, labels)  # or skip
    chosen = np.array([1, 0, 0, 1, 0, 0, 0, 0], "float32")
    weighted = diagnostics.observer(model, x, labels, CROSS_ENTROPY, chosen)()
    alone = diagnostics.observer(model, x[[0, 3]], labels[[0, 3]], CROSS_ENTROPY)()
    for one, other in zip(weighted, alone, strict=True):
        if one["gradient_norm"] is not None:
            assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-5)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.mark.parametrize("name", MODELS)
def test_looking_changes_nothing(name, data):
    experiment = small(name, data, activation="rrelu", batch_norm=True, dropout=0.3)
    arrays = load_arrays_of(experiment)
    model, _ = build_network(experiment, arrays)
    before = [backend.to_numpy(variable) for variable in model.variables]
    if backend.name() == "torch":
        import torch

        state = torch.get_rng_state()
    records = diary.Watcher(model, arrays, "cross_entropy").look()
    sites = [layer.name for layer in model.layers if layer.name.endswith("_activation")]
    assert sites and [one["layer"] for one in records if one["units"]] == sites
    assert all(0 < one["gradient_norm"] < 1e4 for one in records if one["gradient_norm"] is not None)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(variable), value)
    assert all("call" not in vars(layer) for layer in model.layers)
    if backend.name() == "torch":
        assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", TAGGERS)
def test_what_is_no_token_does_not_count(name, data):
    """However far sentences are padded, and whatever lies there, all that is seen of each layer stays the same."""
    experiment = small(name, data, activation="tanh", batch_norm=True)
    arrays = load_arrays_of(experiment)
    model, _ = build_network(experiment, arrays)
    loss = losses.make_loss("cross_entropy", len(arrays.task.labels))
    found = []
    for steps in (None, 20):
        inputs, labels = arrays.train.take(np.arange(10), steps)
        inputs["spelling"][labels < 0] = 9 if steps else 0
        labels, weights = weighted(labels, len(arrays.task.labels))
        found.append(diagnostics.observer(model, inputs, labels, loss, weights)())
    assert {"characters_conv", "dense1", "dense1_activation"} <= {one["layer"] for one in found[0]}
    for one, other in zip(*found, strict=True):
        assert_alike(one, other)


def test_batch_norm_is_seen_as_in_training(rng):
    """By the batch's own statistics: before training, the running ones know nothing yet."""
    model = build_model({"name": "mlp", "hidden_units": [16]}, (8, 8, 1), 10, activation="linear", batch_norm=True)
    record = next(
        one for one in observe(model, images(rng, 64), np.arange(64) % 10) if one["layer"] == "dense1_activation"
    )
    assert record["activation_mean"] == pytest.approx(0, abs=1e-4)
    assert record["activation_std"] == pytest.approx(1, abs=1e-2)


def test_numbers_that_overflow_are_told_as_such():
    model, x, labels = with_units_that_see([np.inf, 1, 1, 1], "relu")
    record = next(one for one in observe(model, x, labels) if one["layer"] == "dense1_activation")
    assert np.isnan(record["dead"]) and not np.isfinite(record["activation_mean"])


def test_only_small_samples_of_big_networks():
    big = keras.Sequential([keras.Input((512, 512, 3)), keras.layers.Conv2D(8, 1, data_format="channels_last")])
    assert len(diagnostics.sample(big, 1000)) == 23  # of 2,097,152 numbers an image
    assert len(diagnostics.sample(build_model("mlp", (8, 8, 1), 10), 5000)) == 256


# --- as an option of training ---


def same_weights(one, other):
    loaded = [Checkpoint.load(each.path / "checkpoint.npz") for each in (one, other)]
    for a, b in zip(loaded[0].weights, loaded[1].weights, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(loaded[0].optimizer, loaded[1].optimizer, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_diagnosed_run_ends_as_any_other_bit_for_bit(tmp_path):
    plain = run(SMALL, out=tmp_path / "plain")
    watched = run(SMALL, out=tmp_path / "watched", diagnose=True)
    assert plain.history == watched.history
    same_weights(plain, watched)
    assert not (plain.path / "diagnostics.csv").exists()
    records = diary.read_diary(watched.path / "diagnostics.csv")
    layers = [f"{name}{part}" for name in ("dense1", "dense2") for part in ("", "_norm", "_activation")]
    assert [one["layer"] for one in records] == [*layers, "logits"] * 3
    assert [one["epoch"] for one in records] == [epoch for epoch in range(3) for _ in range(7)]
    assert "diagnostics.csv" in watched.metrics["provenance"]["files"]


def test_a_diagnosed_tagger_ends_as_any_other_bit_for_bit(data, tmp_path):
    tagger = small("window_tagger", data, dropout=0.1, activation="rrelu", epochs=2)
    plain, watched = run(tagger, out=tmp_path / "plain"), run(tagger, out=tmp_path / "watched", diagnose=True)
    assert plain.history == watched.history
    same_weights(plain, watched)
    records = diary.read_diary(watched.path / "diagnostics.csv")
    assert {one["epoch"] for one in records} == {0, 1, 2} and records[-1]["layer"] == "logits"


def test_a_diagnosed_run_that_was_stopped_has_the_same_diary(tmp_path):
    """Stopped after its first epoch was safe, but before that epoch was noted."""
    straight = run(SMALL, out=tmp_path / "straight", diagnose=True)

    class Stop:
        def started(self, *_):
            pass

        def batch_done(self, done, total):
            pass

        def epoch_done(self, row, epochs, seconds):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(SMALL, out=tmp_path / "stopped", progress=Stop(), diagnose=True)
    file = tmp_path / "stopped" / SMALL.label / "diagnostics.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:8]))  # the head and epoch 0
    stopped = run(SMALL, out=tmp_path / "stopped", diagnose=True)
    assert file.read_bytes() == (straight.path / "diagnostics.csv").read_bytes()
    same_weights(straight, stopped)


def test_a_run_that_begins_anew_begins_its_diary_anew(tmp_path):
    path = tmp_path / "diagnostics.csv"
    begun = diary.Diary(path, 0)
    begun.note(0, lambda: [{"layer": "old"}])
    begun.note(0, lambda: [{"layer": "never asked"}])
    assert [one["layer"] for one in diary.read_diary(path)] == ["old"]
    diary.Diary(path, 0).note(0, lambda: [{"layer": "new"}])
    assert [one["layer"] for one in diary.read_diary(path)] == ["new"]


def test_a_diary_with_a_changed_number_is_not_gone_on_with(tmp_path):
    path = tmp_path / "diagnostics.csv"
    diary.Diary(path, 0).note(0, lambda: [{"layer": "conv1", "gradient_norm": 0.5}])
    assert diary.Diary(path, 1).records[0]["gradient_norm"] == 0.5
    path.write_text(path.read_text().replace("0.5", "0.6"))
    with pytest.raises(KactError, match=r"(?s)checksum does not fit.*Delete it"):
        diary.Diary(path, 1)


def test_after_what_a_damaged_diary_tells_to_do_it_is_whole_again(tmp_path):
    whole = run(SMALL, out=tmp_path, diagnose=True)
    file, before = whole.path / "diagnostics.csv", (whole.path / "diagnostics.csv").read_bytes()
    file.write_bytes(before.replace(b"0.", b"1.", 1))
    with pytest.raises(
        KactError, match=r"diagnostics\.csv' is missing or damaged(?s:.*)Delete the run's metrics\.json"
    ):
        run(SMALL, out=tmp_path, diagnose=True)
    (whole.path / "metrics.json").unlink()
    with pytest.raises(KactError, match=r"Delete it and the file '.*checkpoint\.npz'"):
        run(SMALL, out=tmp_path, diagnose=True)
    for name in ("diagnostics.csv", "checkpoint.npz"):
        (whole.path / name).unlink()
    again = run(SMALL, out=tmp_path, diagnose=True)
    assert file.read_bytes() == before and again.history == whole.history


def test_a_finished_run_is_not_diagnosed_afterwards(tmp_path):
    finished = run(SMALL, out=tmp_path)
    with pytest.raises(KactError, match="was not diagnosed"):
        run(SMALL, out=tmp_path, diagnose=True)
    with pytest.raises(KactError, match="--diagnose"):
        diary.read_diary(finished.path / "diagnostics.csv")


def test_a_damaged_diary_is_named(tmp_path):
    (tmp_path / "diagnostics.csv").write_text("epoch,layer\nten,conv1\n")
    with pytest.raises(KactError, match="is damaged"):
        diary.read_diary(tmp_path / "diagnostics.csv")
