"""How the backend in use computes: exactly in float32, unless a run says otherwise."""

import pytest

from kact import backend
from kact.experiment import Experiment
from kact.predict import Predictor
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
