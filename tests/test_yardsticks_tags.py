"""A tagger's scores against scikit-learn's, worked out from nothing but the tagged words and what the run predicts."""

import pytest
from sklearn import metrics

from kact.predict import Predictor
from kact.tasks.tagging import read_tagged
from kact.train import run
from tests.experiments import small

pytestmark = pytest.mark.any_backend


def test_every_score_of_a_tagger_is_scikit_learns(tmp_path):
    experiment = small("window_tagger", tmp_path, epochs=2)
    finished = run(experiment, out=tmp_path)
    (train, test) = (read_tagged(tmp_path / "words" / f"{part}.txt")[0] for part in ("train", "test"))
    tagged = Predictor(finished).tag([" ".join(tokens) for tokens in test.tokens])
    assert [[one.token for one in tokens] for tokens in tagged] == [list(tokens) for tokens in test.tokens]
    predicted = [[one.tag for one in tokens] for tokens in tagged]
    gold, found = ([tag for tags in sentences for tag in tags] for sentences in (test.tags, predicted))
    scores, names = finished.metrics["test"], finished.metrics["task"]["labels"]
    assert 0.3 < scores["accuracy"] < 1, "or there would be nothing to tell apart"

    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(gold, found))
    assert scores["confusion"] == metrics.confusion_matrix(gold, found, labels=names).tolist()
    told = metrics.classification_report(gold, found, labels=names, output_dict=True, zero_division=0.0)
    for average, key in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
        assert scores[average] == pytest.approx(told["macro avg"][key])
        for name in names:
            assert scores["per_class"][name][average] == pytest.approx(told[name][key])

    seen = {token.lower() for tokens in train.tokens for token in tokens}
    unseen = [token.lower() not in seen for tokens in test.tokens for token in tokens]
    assert scores["unseen_examples"] == sum(unseen) > 0
    assert scores["unseen_accuracy"] == pytest.approx(metrics.accuracy_score(gold, found, sample_weight=unseen))
    whole = [" ".join(tags) for tags in test.tags], [" ".join(tags) for tags in predicted]
    assert scores["sequence_accuracy"] == pytest.approx(metrics.accuracy_score(*whole))
    assert scores["sentences"] == len(test)
