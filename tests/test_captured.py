"""The captured step against stock Keras: equal to rounding, or stock Keras itself and the reason said."""

import ast
import io
import tokenize
from pathlib import Path

import keras
import numpy as np
import pytest

from kact import backend, losses, optimizers
from kact.engine import make_engine
from kact.engine.stock import StockEngine
from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import build_model
from kact.tasks import Split
from kact.tasks.batches import EpochBatches
from kact.train import run

if backend.name() != "torch":
    pytest.skip("steps are captured on torch", allow_module_level=True)

import torch

from kact.engine import capture, private
from kact.engine.captured import CapturedEngine

CNN = {"name": "cnn", "filters": [4, 6], "kernel_size": 3, "pool": "average", "hidden_units": [12]}
EXAMPLES, BATCH = 70, 16  # the last batch of an epoch holds 6


def images(count=EXAMPLES, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = rng.integers(0, 256, (count, 12, 12, 2)) // 2 + labels[:, None, None, None] * 40
    return Split(pixels.astype(np.uint8), labels, np.arange(count))


def engine(name, model=CNN, optimizer="sgd(momentum=0.9)", rate=0.02, loss="cross_entropy", l2=0.0, **settings):
    built = build_model(model, (12, 12, 2), 3, mean=[120.0, 110.0], std=[50.0, 60.0], **settings)
    return make_engine(name, built, optimizers.make_optimizer(optimizer, rate), losses.make_loss(loss, 3), l2)


def epochs(engine, count=3, augment=(), split=None):
    return [engine.train_epoch(EpochBatches(split or images(), BATCH, augment, 5, epoch)) for epoch in range(count)]


def values(engine):
    return {f"{i} {variable.path}": backend.to_numpy(variable) for i, variable in enumerate(engine.model.variables)}


def assert_close(one, other, tolerance=1e-6):
    normalised = any(layer.name.endswith("_norm") for layer in one.model.layers)
    for (path, a), b in zip(values(one).items(), values(other).values(), strict=True):
        if normalised and path.endswith("bias") and "logits" not in path:  # has no effect, and no gradient but rounding
            continue
        scale = np.abs(b).max(initial=1e-3)
        allowed = tolerance * (4 if normalised else 1)  # a norm divides by a spread, and rounding with it
        np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=allowed, err_msg=path)


def both(count=3, augment=(), **settings):
    captured, stock = engine("auto", **settings), engine("stock", **settings)
    histories = epochs(captured, count, augment), epochs(stock, count, augment)
    assert captured.reason is None and captured.name == "captured" and type(stock) is StockEngine
    for a, b in zip(*histories, strict=True):
        assert a == pytest.approx(b, rel=2e-6)
    assert_close(captured, stock)
    return captured, stock


@pytest.mark.parametrize(
    "optimizer",
    [
        "sgd", "momentum", "nesterov", "adam(epsilon=0.001)", "adam(amsgrad=True, epsilon=0.001)",
        "adamw(epsilon=0.001)", "rmsprop", "rmsprop(centered=True, momentum=0.5)",
        "adadelta", "adagrad", "lion(weight_decay=0.01)",
        "sgd(clipnorm=0.1)", "adam(global_clipnorm=0.5, epsilon=0.001)",
        "adam(use_ema=True, epsilon=0.001)", "sgd(clipvalue=0.01)",
    ],
)  # fmt: skip
def test_every_optimizer_ends_at_the_same_weights(optimizer):
    """Adam's epsilon is large here: at 1e-8 it turns the rounding of a gradient of nothing into a whole step."""
    rate = 1.0 if optimizer == "adadelta" else 0.05 if "sgd" in optimizer else 0.002
    captured, stock = both(optimizer=optimizer, rate=rate)
    for a, b in zip(captured.model.optimizer.variables, stock.model.optimizer.variables, strict=True):
        np.testing.assert_allclose(backend.to_numpy(a), backend.to_numpy(b), rtol=1e-4, atol=1e-6, err_msg=a.path)


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "mse"},
        {"l2": 0.01},
        {"dropout": 0.3},
        {"dropout": 0.3, "model": {**CNN, "dropout_kind": "element"}},
        {"batch_norm": True},
        {"batch_norm": True, "dropout": 0.2, "l2": 1e-3, "augment": ("flip", "shift(pixels=2)")},
        {"activation": "prelu"},
        {"model": {"name": "mlp", "hidden_units": [20, 10]}, "batch_norm": True, "activation": "gelu"},
        {"model": {**CNN, "padding": "valid", "stride": 2, "pool": "none"}, "activation": "mish"},
    ],
    ids=str,
)
def test_every_setting_ends_at_the_same_weights(settings):
    both(**settings)


@pytest.mark.parametrize(
    "activation",
    ["relu", "elu", "selu", "tanh", "sigmoid", "leaky_relu", "relu6", "softplus", "elu(alpha=0.5)", "gelu"],
)
def test_activations_before_max_pools_end_at_the_same_weights(activation):
    """Rising ones are applied after the maximum; the images have no two pixels alike that could tie."""
    both(count=2, activation=activation, model={**CNN, "pool": "max"})


@pytest.mark.parametrize("text", ["cosine(warmup_epochs=1)", "one_cycle", "constant(warmup_epochs=2)"])
def test_schedules_run_inside_the_step(text):
    steps = -(-EXAMPLES // BATCH)
    ends = []
    for name in ("auto", "stock"):
        trained = engine(name, rate=optimizers.make_schedule(text, 0.05, 3, steps))
        epochs(trained)
        ends.append(trained)
    assert ends[0].name == "captured"
    assert_close(*ends)


def test_what_changes_after_the_capture_is_seen():
    """A learning rate, weights, and what is trained, set between two epochs as callbacks do."""
    ends = []
    for name in ("auto", "stock"):
        trained = engine(name)
        epochs(trained, 1)
        trained.model.optimizer.learning_rate = 0.1
        trained.model.get_layer("dense1").kernel.assign(np.full((54, 12), 0.01, np.float32))
        epochs(trained, 1)
        frozen = trained.model.get_layer("conv1")
        frozen.trainable = False
        before = backend.to_numpy(frozen.kernel)
        epochs(trained, 1)
        np.testing.assert_array_equal(backend.to_numpy(frozen.kernel), before)
        trained.model.get_layer("dense1").bias._value = torch.nn.Parameter(torch.ones(12))  # at another address
        epochs(trained, 1)
        assert trained.reason is None
        ends.append(trained)
    assert_close(*ends)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_a_bias_before_a_batch_norm_of_another_axis_is_trained(axis):
    """Such a norm does not take it off again with the mean."""
    ends = []
    for name in ("auto", "stock"):
        inputs = keras.Input((12, 12, 2))
        x = keras.layers.Conv2D(4, 3, name="conv", kernel_initializer=keras.initializers.RandomNormal(seed=1))(inputs)
        x = keras.layers.Activation("tanh")(keras.layers.BatchNormalization(axis=axis, epsilon=1e-3)(x))
        x = keras.layers.Permute((2, 1, 3))(x)
        dense = keras.layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(seed=2))
        built = keras.Model(inputs, dense(keras.layers.Flatten()(x)))
        rule = optimizers.make_optimizer("sgd", 0.02)
        trained = make_engine(name, built, rule, losses.make_loss("cross_entropy", 3), 0.0)
        epochs(trained, 2)
        ends.append(trained)
    assert ends[0].name == "captured", ends[0].reason
    assert_close(*ends, tolerance=1e-5)
    still = not backend.to_numpy(ends[0].model.get_layer("conv").bias).any()
    assert still == (axis == -1)


def test_capturing_changes_nothing():
    trained = engine("auto", dropout=0.5, batch_norm=True)
    before, state = values(trained), torch.random.get_rng_state()
    optimizer = [backend.to_numpy(variable) for variable in trained.model.optimizer.variables]
    trained.prepare(images(), BATCH)
    assert trained.name == "captured"
    assert torch.equal(torch.random.get_rng_state(), state)
    for path, value in values(trained).items():
        np.testing.assert_array_equal(value, before[path], err_msg=path)
    for variable, value in zip(trained.model.optimizer.variables, optimizer, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(variable), value)


@pytest.mark.parametrize(
    "settings",
    [
        {"activation": "rrelu"},
        {"activation": "tests.own_activation:branching"},
        {"activation": "tests.own_activation:by_share"},
        {"activation": "tests.own_activation:above_mean"},
    ],
    ids=str,
)
def test_what_cannot_be_captured_trains_exactly_as_stock_keras(settings):
    captured, stock = engine("auto", **settings), engine("stock", **settings)
    assert epochs(captured, 2) == epochs(stock, 2)
    assert captured.reason and captured.name == "stock"
    for path, value in values(captured).items():
        np.testing.assert_array_equal(value, list(values(stock).values())[int(path.split()[0])], err_msg=path)


def test_the_reason_is_what_a_layer_said_and_not_that_one_was_called():
    wrapped = "Exception encountered when calling Own.call().\n\n\033[1mIt has no kernel.\033[0m\n\nArguments:\n  x"
    assert capture._in_words(ValueError(wrapped)) == "Own.call(). It has no kernel."
    assert capture._in_words(KeyError()) == "KeyError" and capture._in_words(ValueError("one\ntwo")) == "one"


def test_gradient_accumulation_is_left_to_stock_keras():
    """Whether a step updates anything depends on its number, which a replay would never look at again."""
    ends = []
    for name in ("auto", "stock"):
        built = build_model({"name": "mlp", "hidden_units": [8]}, (12, 12, 2), 3, mean=[120.0, 110.0], std=[50.0, 60.0])
        rule = keras.optimizers.SGD(0.05, momentum=0.9, gradient_accumulation_steps=2)
        ends.append(make_engine(name, built, rule, losses.make_loss("cross_entropy", 3), 0.0))
    assert epochs(ends[0], 2) == epochs(ends[1], 2)
    assert ends[0].name == "stock" and ends[0].reason


def test_float16_is_left_to_stock_keras(tmp_path):
    small = Experiment(model={"name": "mlp", "hidden_units": [8]}, epochs=1, train_examples=100, precision="float16")
    said = run(small, out=tmp_path).metrics["provenance"]["step"]
    assert said == {"kind": "stock", "reason": "its step reads a number out of a tensor"}


@pytest.mark.parametrize("count", [1, 255, 256, 600])
def test_predictions_are_those_of_stock_keras(count):
    captured, stock = engine("auto", batch_norm=True), engine("stock", batch_norm=True)
    inputs = images(count).inputs
    np.testing.assert_allclose(captured.predict(inputs), stock.predict(inputs), rtol=0, atol=2e-6)
    assert captured.name == "captured"


def test_a_run_says_which_step_trained_it(tmp_path):
    small = Experiment(model={"name": "mlp", "hidden_units": [8]}, epochs=1, train_examples=100)
    said = {}
    for name, activation in (("auto", "relu"), ("stock", "relu"), ("auto", "rrelu")):
        finished = run(small.replace(activation=activation), out=tmp_path / name, engine=name)
        said[name, activation] = finished.metrics["provenance"]["step"]
    assert said["auto", "relu"] == {"kind": "captured", "reason": None}
    assert said["stock", "relu"] == {"kind": "stock", "reason": None}
    assert said["auto", "rrelu"]["kind"] == "stock" and said["auto", "rrelu"]["reason"]


@pytest.mark.parametrize("activation", ["relu", "rrelu"])
def test_a_run_that_lacks_only_its_metrics_captures_no_training(activation, tmp_path, monkeypatch):
    small = Experiment(model={"name": "mlp", "hidden_units": [8]}, epochs=1, train_examples=100, activation=activation)
    first = run(small, out=tmp_path)
    (first.path / "metrics.json").unlink()
    monkeypatch.setattr(CapturedEngine, "prepare", None)
    again = run(small, out=tmp_path)
    assert again.metrics["provenance"]["step"] == first.metrics["provenance"]["step"]
    assert again.metrics["test"] == first.metrics["test"]


def test_a_run_goes_on_with_the_engine_that_it_began_with(tmp_path):
    small = Experiment(model={"name": "mlp", "hidden_units": [8]}, epochs=2, train_examples=100)

    class Stop:
        def started(self, *_):
            pass

        def batch_done(self, *_):
            pass

        def epoch_done(self, *_):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(small, out=tmp_path, progress=Stop())
    with pytest.raises(KactError, match="--engine auto"):
        run(small, out=tmp_path, engine="stock")
    assert run(small, out=tmp_path).metrics["epochs"] == 2


def test_an_unknown_engine_is_named():
    with pytest.raises(KactError, match=r"engine.*'stok'"):
        engine("stok")


def test_without_memory_for_a_capture_the_run_ends_rather_than_in_other_bits(monkeypatch):
    def full(graph, state):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(capture, "lower", full)
    with pytest.raises(RuntimeError, match="allocate memory"):
        epochs(engine("auto"), 1)


NEEDED = {
    keras.Model: ("_compute_loss", "_symbolic_build", "_flatten_layers", "compute_metrics"),
    keras.Optimizer: ("scale_loss", "apply", "build", "finalize_variable_values", "_get_variable_index"),
    torch: ("_foreach_mul", "_foreach_mul_", "_foreach_add", "_foreach_add_", "_fused_sgd_", "_fused_adam_", "_VF"),
    torch._ops: ("OpOverload",),
    torch.fx.graph_module: ("_loader",),
    torch._C: ("_dispatch_has_kernel_for_dispatch_key",),
    torch.ops.aten: ("_foreach_mul_", "sym_size"),
    torch.Tag: ("dynamic_output_shape",),
}


def test_the_private_interfaces_are_there():
    """A new Keras or torch that drops one of them says so here, by name."""
    made = keras.optimizers.SGD(), keras.optimizers.Adam()  # Keras makes each of a class that only torch has
    needed = {**NEEDED, **{type(optimizer): ("_parallel_update_step",) for optimizer in made}}
    gone = [(owner, name) for owner, names in needed.items() for name in names if not hasattr(owner, name)]
    assert gone == [], "kact.engine.private needs these of Keras and torch"
    model = engine("stock").model
    assert hasattr(model, "_loss_tracker"), "keras.Model lost _loss_tracker, which kact.engine.private calls"
    assert isinstance(model.variables[-1].value, torch.nn.Parameter), "Keras' variables are no longer torch parameters"
    graph = private.trace(lambda x: (x + 1).view(-1), torch.ones(2, 3))
    assert [node.meta["val"].shape for node in graph.graph.nodes if node.op == "call_function"] == [(2, 3), (6,)]


def test_the_engine_stays_small_enough_to_be_read():
    """Lines of code: no blank lines, comments or docstrings."""
    lines = {path.name: lines_of_code(path) for path in Path(private.__file__).parent.glob("*.py")}
    total = sum(lines.values())
    assert total <= 800, (
        f"kact/engine has {total} lines of code, more than 800: take out what no longer measures, or make "
        f"one of what is there twice, before you add to it ({lines})"
    )


def lines_of_code(path):
    text = path.read_text()
    documented = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            documented |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in layout]
    return len({line for token in tokens for line in range(token.start[0], token.end[0] + 1)} - documented)


def test_no_capture_leaves_its_source_behind():
    """A worker captures steps for as long as it lives: torch would keep the source code of every one."""
    made = engine("auto")
    epochs(made, count=1)
    assert made.name == "captured" and not torch.fx.graph_module._loader.eval_cache
