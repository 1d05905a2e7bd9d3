"""How the backend in use computes: exactly in float32, unless a run says otherwise."""

import os

import numpy as np
import pytest

from kact import backend
from kact.experiment import Experiment
from kact.predict import Predictor
from kact.runs.checkpoint import Checkpoint
from kact.train import run


def in_tf32():
    """Whether products of float32 may be computed in TF32, where a GPU is; None where nothing was said."""
    if backend.name() == "torch":
        import torch

        of_both = {torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32}
        return of_both.pop() if len(of_both) == 1 else None
    if backend.name() == "tensorflow":
        from tensorflow.config import experimental

        return experimental.tensor_float_32_execution_enabled()
    import jax

    return {"float32": False, "tensorfloat32": True}.get(jax.config.jax_default_matmul_precision)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_float32_is_not_tf32_unless_that_is_asked_for(precision):
    before = in_tf32()
    with backend.run_settings("auto", precision):
        assert in_tf32() == (precision == "tf32")
    assert in_tf32() == before
    with pytest.raises(ZeroDivisionError), backend.products_of("tf32"):
        raise ZeroDivisionError
    assert in_tf32() == before


@pytest.fixture
def threads():
    """Set how many threads torch has, for a test."""
    if backend.name() != "torch":
        yield lambda count: None
        return
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.mark.skipif(os.environ.get("KERAS_BACKEND", "torch") != "torch", reason="the other backends always do")
@pytest.mark.parametrize(("count", "before"), [(1, False), (1, True), (2, False), (2, True)])
def test_one_thread_of_torch_takes_denormal_numbers_for_zero_in_a_run(count, before, threads):
    import torch

    def kept():
        return bool((torch.full((1,), 2.0**-126) / 2 * 2**24 > 0).item())

    threads(count)
    torch.set_flush_denormal(before)
    with pytest.raises(ZeroDivisionError), backend.run_settings("cpu", "float32"):
        assert kept() == (count > 1 and not before)
        raise ZeroDivisionError
    assert kept() == (not before)


def test_what_an_optimizer_keeps_of_a_dead_unit_is_no_denormal_number(tmp_path, threads):
    threads(1)
    experiment = Experiment(
        model={"name": "mlp", "hidden_units": [16, 16]}, learning_rate=1.0, batch_size=2, epochs=2, train_examples=1000
    )
    state = Checkpoint.load(run(experiment, out=tmp_path).path / "checkpoint.npz").optimizer
    sizes = np.abs(np.concatenate([one.ravel() for one in state if one.dtype == "float32"]))
    tiny = float(np.finfo("float32").tiny)
    assert np.count_nonzero((sizes > 0) & (sizes < tiny)) == 0
    assert np.count_nonzero(sizes < 1e-30) > sizes.size / 4, "no unit is dead"


def test_a_run_predicts_at_the_precision_that_its_scores_are_of(tmp_path):
    small = Experiment(model={"name": "mlp", "hidden_units": [4]}, epochs=1, train_examples=100, precision="tf32")
    predictor = Predictor(run(small, out=tmp_path))
    seen, predict = [], predictor.model.predict_on_batch

    def noted(batch):
        seen.append(in_tf32())
        return predict(batch)

    predictor.model.predict_on_batch = noted
    before = in_tf32()
    assert len(predictor.predict_test(3)) == 3
    assert seen == [True] and in_tf32() == before
