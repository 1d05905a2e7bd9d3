"""The taggers: every non-linearity replaceable, padding without a trace, the same draws whatever the activation."""

import keras
import numpy as np
import pytest

from kact.errors import KactError
from kact.models import MODELS, BiLSTMTagger, WindowTagger, build_tagger
from kact.text.clusters import Clusters
from kact.text.encoded import EncodedSplit
from kact.text.vocabulary import Vocabulary
from tests.corpus import TAGS, sentences

TAGGERS = [name for name, model in MODELS.items() if model.input == "words"]
MADE = sentences(30)
TOKENS = [[token for token, _ in sentence] for sentence in MADE]


def vocabulary(characters=False):
    words = {token: ("01" * (index % 3 + 1), 12 + index) for index, token in enumerate(TOKENS[0])}
    return Vocabulary.build(
        TOKENS, TAGS, characters=characters, clusters=Clusters(words), name_lists={"female": frozenset({"anne"})}
    )


def built(name, **options):
    sizes = {"lstm_units": 6} if name == "bilstm_tagger" else {"hidden_units": (12, 12)}
    characters = options.pop("character_filters", 0)
    known = vocabulary(characters > 0)
    model = MODELS[name](**sizes, character_filters=characters, **options.pop("sizes", {}))
    return build_tagger(model, known.inputs, len(TAGS), **options), known


def encoded(known, tokens=None):
    tokens = TOKENS if tokens is None else tokens
    return EncodedSplit.of(tokens, [[0] * len(one) for one in tokens], known)


def outputs(model, inputs):
    return np.asarray(model.predict_on_batch(inputs))


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", TAGGERS)
def test_padding_leaves_no_trace(name, batch_norm):
    """The same sentence alone, beside a longer one and with more padding gets the same logits."""
    model, known = built(name, character_filters=4, batch_norm=batch_norm)
    short, long = ["the", "abing"], ["the"] * 9
    alone = outputs(model, encoded(known, [short]).take([0])[0])[0]
    beside = outputs(model, encoded(known, [short, long]).take([0, 1])[0])[0, :2]
    padded = outputs(model, encoded(known, [short]).take([0], steps=15)[0])[0, :2]
    np.testing.assert_allclose(beside, alone, atol=1e-5)
    np.testing.assert_allclose(padded, alone, atol=1e-5)


@pytest.mark.parametrize("name", TAGGERS)
def test_batch_norm_counts_tokens_only(name):
    """What a training step remembers of the batch is the same with and without padding."""
    moving = []
    for steps in (9, 20):
        model, known = built(name, batch_norm=True)
        inputs, _ = encoded(known, [["the"] * 9, ["abing", "the"]]).take([0, 1], steps=steps)
        model(inputs, training=True)
        moving.append(keras.ops.convert_to_numpy(model.get_layer("dense1_norm").moving_mean))
    assert np.abs(moving[0]).max() > 0
    np.testing.assert_allclose(*moving, atol=1e-6)


def test_a_window_sees_its_neighbours_and_no_further():
    model, known = built("window_tagger", sizes={"window": 3})
    first, second = (["a", "b", "c", "d", other] for other in ("e", "the"))
    one, other = (outputs(model, encoded(known, [tokens]).take([0])[0])[0] for tokens in (first, second))
    np.testing.assert_array_equal(one[:3], other[:3])
    assert np.abs(one[3] - other[3]).max() > 1e-4
    with pytest.raises(KactError, match=r"window.*odd.*Got 4"):
        WindowTagger(window=4)


def test_a_sentence_is_seen_whole_by_the_lstm_in_both_directions():
    model, known = built("bilstm_tagger")
    base = ["a", "b", "c", "d", "e"]
    for changed, seen in ((4, 0), (0, 4)):
        tokens = [*base]
        tokens[changed] = "the"
        one, other = (outputs(model, encoded(known, [given]).take([0])[0])[0] for given in (base, tokens))
        assert np.abs(one[seen] - other[seen]).max() > 1e-6


def test_the_window_tagger_without_activation_is_affine():
    """With a linear activation f(a) + f(b) = f(a + b) + f(0), in the numbers that go in."""
    model, known = built("window_tagger", activation="linear")
    inputs = encoded(known).take(range(30))[0]
    rng = np.random.default_rng(0)

    def f(numbers):
        return outputs(model, {**inputs, "spelling": numbers})

    a, b = rng.normal(size=(2, *inputs["spelling"].shape)).astype("float32")
    real = (inputs["word"] != 0)[..., None]
    difference = (f(a) + f(b) - f(a + b) - f(0 * a)) * real
    np.testing.assert_allclose(difference, 0, atol=1e-4)


@pytest.mark.parametrize("name", TAGGERS)
def test_every_hidden_non_linearity_outside_the_cell_is_the_activation(name):
    """PReLU, which has weights, shows each site: one for each hidden layer, none shared; no layer has another."""
    model, _ = built(name, activation="prelu", character_filters=4)
    sites = [layer for layer in model.layers if layer.name.endswith("_activation")]
    hidden = [layer for layer in model.layers if layer.name in ("dense1", "dense2", "characters_conv")]
    assert len(sites) == len(hidden) == len({id(site.trainable_variables[0]) for site in sites})
    for layer in model.layers:
        if not layer.name.endswith("_activation"):
            assert getattr(layer, "activation", None) in (None, keras.activations.linear), layer.name


@pytest.mark.parametrize("name", TAGGERS)
def test_taggers_differ_in_the_activation_alone(name):
    relu, mish, prelu, other = (
        built(name, activation=activation, seed=seed)[0]
        for activation, seed in [("relu", 3), ("mish", 3), ("prelu", 3), ("relu", 4)]
    )
    layers = [layer.name for layer in relu.layers if layer.get_weights()]
    assert {"word_embedding", "clusters_embedding", "affixes_embedding", "shape_embedding", "logits"} < set(layers)
    for layer in layers:
        weights = relu.get_layer(layer).get_weights()[0]
        np.testing.assert_array_equal(weights, mish.get_layer(layer).get_weights()[0])
        np.testing.assert_array_equal(weights, prelu.get_layer(layer).get_weights()[0])
        assert not np.array_equal(weights, other.get_layer(layer).get_weights()[0]), layer


def test_the_two_directions_start_apart():
    both = built("bilstm_tagger")[0].get_layer("lstm").get_weights()
    forward, backward = both[:3], both[3:]
    assert forward[0].shape == backward[0].shape
    assert not np.array_equal(forward[0], backward[0]) and not np.array_equal(forward[1], backward[1])


@pytest.mark.parametrize("name", TAGGERS)
def test_the_file_gives_back_the_same_logits(name, tmp_path):
    model, known = built(name, character_filters=4, batch_norm=True, dropout=0.2, activation="mish")
    inputs = encoded(known).take(range(5))[0]
    model.save(tmp_path / "tagger.keras")
    loaded = keras.saving.load_model(tmp_path / "tagger.keras")
    np.testing.assert_array_equal(outputs(loaded, inputs), outputs(model, inputs))


def test_sizes_follow_the_settings():
    model, known = built("bilstm_tagger")
    width = 64 + 6 * 24 + 7 * 16 + 16 + 21 + 1 + 1 + 2
    assert model.get_layer("token").output.shape[-1] == width
    assert model.get_layer("lstm").count_params() == 2 * 4 * (6 * (width + 6) + 6)
    assert model.get_layer("clusters_embedding").input_dim == known.inputs["clusters"].rows
    with pytest.raises(KactError, match="word_dropout"):
        BiLSTMTagger(word_dropout=-0.1)
