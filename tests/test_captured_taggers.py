"""The captured step of taggers against stock Keras, over sentences of many lengths: equal to rounding."""

import numpy as np
import pytest

from kact import backend, losses, optimizers
from kact.engine import make_engine
from kact.experiment import Experiment
from kact.models import build_tagger, make_model
from kact.text.encoded import EncodedSplit
from kact.text.token_batches import TokenBatches
from kact.text.vocabulary import Vocabulary
from kact.train import run
from tests.corpus import TAGS, sentences, write_parts

if backend.name() != "torch":
    pytest.skip("steps are captured on torch", allow_module_level=True)

import torch

from kact.engine.lengths import LENGTHS

BATCH = 16
BILSTM = {"name": "bilstm_tagger", "lstm_units": 6, "hidden_units": [5], "word_units": 4, "affix_units": 3}
WINDOW = {"name": "window_tagger", "hidden_units": [6], "word_units": 4, "window": 5}


def corpus(characters=False):
    made = sentences(40)
    made[3], made[7] = made[3][:1], [pair for sentence in made[10:14] for pair in sentence]  # one word; and many
    words = [[token for token, _ in sentence] for sentence in made]
    known = Vocabulary.build(words, TAGS, characters=characters)
    return EncodedSplit.of(words, [[TAGS.index(tag) for _, tag in sentence] for sentence in made], known), known


def engine(name, known, model=BILSTM, optimizer="adamw(epsilon=0.001)", loss="cross_entropy", l2=0.0, **settings):
    built = build_tagger(make_model(model), known.inputs, len(TAGS), **settings)
    rate = optimizers.make_schedule("cosine", 0.02, 3, 3)
    return make_engine(name, built, optimizers.make_optimizer(optimizer, rate), losses.make_loss(loss, len(TAGS)), l2)


def epochs(engine, split, count=3):
    return [engine.train_epoch(TokenBatches(split, len(TAGS), BATCH, 0.5, 0.1, 5, epoch)) for epoch in range(count)]


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.4},
        {"loss": "mse", "l2": 0.01, "optimizer": "momentum", "activation": "mish"},
        {"model": WINDOW, "dropout": 0.3, "batch_norm": True, "activation": "gelu"},
        {"model": {**WINDOW, "character_filters": 4}},
    ],
    ids=str,
)
def test_taggers_end_at_the_same_weights(settings, capfd):
    """Each batch is as long as its longest sentence, and dropout draws for it what it draws in stock Keras."""
    split, known = corpus(characters="character_filters" in settings.get("model", BILSTM))
    captured, stock = (engine(name, known, **settings) for name in ("auto", "stock"))
    histories = [epochs(one, split) for one in (captured, stock)]
    assert captured.reason is None and captured.name == "captured"
    for a, b in zip(*histories, strict=True):
        assert a == pytest.approx(b, rel=2e-6)
    for one, other in zip(captured.model.variables, stock.model.variables, strict=True):
        if settings.get("batch_norm") and one.path.startswith("dense") and one.path.endswith("bias"):
            continue  # in front of a batch norm it has no gradient but rounding
        a, b = backend.to_numpy(one), backend.to_numpy(other)
        scale = np.abs(b).max(initial=1e-3)
        np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=1e-6, err_msg=one.path)
    found, expected = (one.outputs_of(split)[0] for one in (captured, stock))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert "resized" not in capfd.readouterr().err  # no memory was kept for what each length has its own of


@pytest.mark.parametrize("length", [1, 2, LENGTHS[0], LENGTHS[1] + 1, 90])
@pytest.mark.parametrize("model", [BILSTM, WINDOW], ids=lambda sizes: sizes["name"])
def test_predictions_for_any_length_are_those_of_stock_keras(model, length):
    _, known = corpus()
    words = [["the"] * length, ["the", "abing"][:length]]
    split = EncodedSplit.of(words, [[0] * len(one) for one in words], known)
    captured, stock = (engine(name, known, model) for name in ("auto", "stock"))
    found, expected = (one.outputs_of(split)[0] for one in (captured, stock))
    assert captured._predicts
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_two_captures_a_size_serve_all_lengths(monkeypatch):
    from kact.engine import capture as capturing

    traced, trace = [], capturing.trace
    monkeypatch.setattr(capturing, "trace", lambda *given: traced.append(1) or trace(*given))
    split, known = corpus()
    trained = engine("auto", known)
    epochs(trained, split, 2)
    assert len(set(split.lengths)) > 4 and len(traced) == 4, "batches of 16 and the last one, each at two lengths"


def test_capturing_a_tagger_changes_nothing():
    split, known = corpus()
    trained = engine("auto", known, dropout=0.5)
    before = [backend.to_numpy(variable) for variable in trained.model.variables]
    state = torch.random.get_rng_state()
    trained.prepare(split, BATCH)
    assert trained.name == "captured" and torch.equal(torch.random.get_rng_state(), state)
    for variable, value in zip(trained.model.variables, before, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(variable), value, err_msg=variable.path)


def test_an_activation_that_reads_numbers_is_left_to_stock_keras():
    split, known = corpus()
    settings = {"model": WINDOW, "activation": "tests.own_activation:branching"}
    captured, stock = (engine(name, known, **settings) for name in ("auto", "stock"))
    assert epochs(captured, split, 1) == epochs(stock, split, 1)
    assert captured.name == "stock" and captured.reason


def test_what_depends_on_the_length_otherwise_is_refused():
    """A square of the length, a table that differs with it: there is no line through two of them."""
    from kact.engine.capture import CannotCapture, capture

    def square(x):
        return torch.zeros(x.shape[1] ** 2) + x.sum()

    def mean(x):
        return x.mean()

    def as_long_as_it_is(x):
        return x.sum() + torch.arange(3).repeat(x.shape[1]).sum()

    short, long = (torch.ones(2, length) for length in LENGTHS)
    with pytest.raises(CannotCapture, match="length"):
        capture(square, [], [short], [long])
    for step in (mean, as_long_as_it_is):
        found = capture(step, [], [short], [long])
        assert float(found(torch.ones(2, 40))[0]) == float(step(torch.ones(2, 40)))


def test_a_run_says_that_its_tagger_was_captured(tmp_path):
    folder = write_parts(tmp_path / "corpus", train=40, dev=10, test=10)
    small = Experiment(task="tagged_file", data=str(folder), model=WINDOW, epochs=1, batch_size=16)
    assert run(small, out=tmp_path).metrics["provenance"]["step"] == {"kind": "captured", "reason": None}
