"""The page's views on the models in the box: what they say, what they refuse, and that nothing in it can run."""

import base64
import io
import re
import threading

import numpy as np
import pytest
from PIL import Image

from demo import knobs, pages, pictures, results, tags, views
from demo.familiarity import Familiarity, calibrate, features_of, fit
from demo.models import BOX, Catalogue
from kact import Experiment, Predictor, run
from kact.diagnostics.feature_maps import maps_of
from kact.errors import KactError
from kact.training import load_arrays_of
from tests.demo_files import strange_runs

pytestmark = pytest.mark.any_backend

CIFAR = ["cifar10-relu", "cifar10-mish", "cifar10-elu"]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return Catalogue([BOX, strange_runs(tmp_path_factory.mktemp("strange"))])


def test_the_box_is_whole_and_small(catalogue):
    boxed = [one for one in catalogue.entries.values() if one.boxed]
    assert all(not one.problem for one in boxed) and {*CIFAR, "digits-relu", "tweets-relu"} <= {
        one.key for one in boxed
    }
    assert sum(file.stat().st_size for file in BOX.rglob("*") if file.is_file()) < 5 * 2**20
    assert all((one.path / "ATTRIBUTION.md").is_file() for one in boxed)
    assert len({one.activation for one in boxed if one.task == "cifar10"}) >= 3
    assert min(one.accuracy for one in boxed if one.task == "cifar10") > 0.65


def test_each_network_says_what_the_run_of_it_says(catalogue):
    picture = pictures.drawings()["ship"]
    looks = views.look(catalogue, picture, CIFAR)
    for one in looks:
        direct = one.entry.predictor().predict([picture])[0]
        assert one.prediction.label == direct.label
        assert one.prediction.probability == pytest.approx(direct.probability, abs=1e-5)
        assert one.seen.shape == (32, 32, 3) and one.maps.shape[-1] == 96
    page = views.look_page(catalogue, picture, CIFAR)
    assert page.count("<section") == 3 and page.count("feature maps of the last convolution") == 3
    assert ("All of them say" in page) == (len({one.prediction.label for one in looks}) == 1)


def test_what_the_network_saw_is_in_the_page_as_it_is(catalogue):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8), dtype="uint8"))
    page = views.look_page(catalogue, picture, ["digits-relu"])
    seen = Image.open(io.BytesIO(base64.b64decode(re.findall(r"base64,([^\"]+)", page)[0])))
    assert np.array_equal(np.asarray(seen), np.asarray(picture))


def test_noise_is_unlike_and_most_digits_are_not(catalogue):
    from kact import load_task

    noise = pictures.made_pictures()["noise"][0]
    assert "Unlike its training pictures" in views.look_page(catalogue, noise, ["digits-relu"])
    digits = [pictures.to_image(one) for one in load_task("digits").test.arrays()[0][:40]]
    assert np.mean([views.look(catalogue, one, ["digits-relu"])[0].familiar for one in digits]) > 0.85


def test_the_rule_flags_the_share_that_it_promises(rng, tmp_path):
    labels = np.arange(2_000) % 4
    features = rng.normal(0, [1, 2, 3], (2_000, 3)) + labels[:, None] * 10
    rule = fit(features[:1_000], labels[:1_000], features[1_000:])
    assert (rule.distance(features[1_000:]) > rule.limit).mean() == pytest.approx(0.05, abs=0.005)
    assert rule.distance(np.array([[100.0, -100.0, 0.0]]))[0] > 3 * rule.limit
    rule.save(tmp_path)
    again = Familiarity.load(tmp_path)
    assert again.limit == rule.limit and np.array_equal(again.distance(features), rule.distance(features))


SMALL = Experiment(task="digits", model={"name": "cnn", "filters": [4], "hidden_units": []}, epochs=1)


@pytest.mark.parametrize("settings", [{"validation_fraction": 0.5}, {"train_examples": 200}])
def test_the_rule_is_made_of_the_images_that_the_run_learned_from_and_its_validation(tmp_path, settings):
    trained = run(SMALL.replace(**settings), out=tmp_path)
    maps, data = maps_of(Predictor(trained).model), load_arrays_of(trained.experiment)
    (images, labels), (held_out, _) = data.train.arrays(), data.validation.arrays()
    expected = fit(features_of(maps(images)), labels, features_of(maps(held_out)))
    assert calibrate(trained.path).limit == pytest.approx(expected.limit, rel=1e-4)


def test_no_rule_is_made_of_a_run_that_learned_from_its_validation_images_too(tmp_path):
    trained = run(SMALL.replace(train_on="train+validation", keep="last"), out=tmp_path)
    with pytest.raises(KactError, match="none is left to set the limit by"):
        calibrate(trained.path)


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ([], "No model"),
        (None, "No model"),
        (["no-such"], "must be one of"),
        ([["a"]], "must be one of"),
        (["tweets-relu"], "must be one of"),
        ([*CIFAR, "digits-relu", "good"], "At most 4"),
    ],
)
def test_models_that_are_not_there_are_said(catalogue, keys, word):
    with pytest.raises(KactError, match=word):
        views.look(catalogue, Image.new("L", (8, 8)), keys)


def test_a_text_is_tagged_line_by_line_with_a_legend_in_words(catalogue):
    page, table = views.tag_page(catalogue, "so cool\n\n  \nhe is", ["tweets-relu"])
    assert page.count('class="kact-line"') == 2 and "4 tokens." in page
    rows = table.split("\n")
    assert rows[0] == "token\ttag tweets-relu\tprobability tweets-relu" and rows[3] == "" and rows[4].startswith("he\t")
    for tag in {row.split("\t")[1] for row in rows[1:] if row}:
        assert tags.meaning(tag) in page
    assert "%" not in re.sub(r'title="[^"]*"', "", page)
    assert "%" in re.sub(r'title="[^"]*"', "", views.tag_page(catalogue, "so cool", ["tweets-relu"], True)[0])
    stored = base64.b64decode(re.search(r"base64,([^\"]+)", page)[1]).decode()
    assert stored == table


def test_two_taggers_are_side_by_side_with_their_differences_marked(catalogue):
    text = "ikr smh he asked fir yo last name so he can add u on fb lololol wanna tho af bruh lowkey"
    page, table = views.tag_page(catalogue, text, ["tweets-relu", "tweets-gelu"])
    rows = [row.split("\t") for row in table.split("\n")[1:] if row]
    different = sum(row[1] != row[3] for row in rows)
    assert page.count("kact-differs") == 2 * different and f"{different} tagged differently" in page


STRANGE_TEXTS = {
    "html": "<script>window.hacked=1</script> <img src=x onerror=alert(1)> &lt;b&gt;",
    "null bytes": "a\0b\x00c",
    "emoji": "\U0001f468‍\U0001f469‍\U0001f467 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea ok",
    "right to left": "שלום ‮abc‬ مرحبا",
    "surrogate": "a \ud800 b",
    "templates": "${alert(1)} {{7*7}} {% x %} <%= x %>",
    "quotes": "\"'><svg/onload=alert(1)>",
}


@pytest.mark.parametrize("name", STRANGE_TEXTS)
def test_strange_texts_are_shown_and_never_run(catalogue, name):
    page, _ = views.tag_page(catalogue, STRANGE_TEXTS[name], ["tweets-relu"])
    for opened in re.findall(r"<\s*([a-zA-Z0-9]+)", page):
        assert opened in {"div", "section", "h3", "p", "span", "bdi", "a", "ul", "li"}
    assert not re.search(r"<[^>]*\son\w+\s*=", page)


@pytest.mark.parametrize(
    ("text", "word"),
    [("", "no text"), (" \n ", "no text"), (None, "no text"), ("\0", "no word"), ("a" * 2**20, "at most 10,000"),
     ("a\n" * 101, "more than 100 lines")],
)  # fmt: skip
def test_texts_that_cannot_be_tagged_are_said(catalogue, text, word):
    with pytest.raises(KactError, match=word):
        views.tag_page(catalogue, text, ["tweets-relu"])


def test_up_to_five_activations_are_drawn_with_their_formulas():
    page = views.curve_page(["relu", "elu(alpha=2)", "leakyrelu"], -3, 3)
    assert page.count("<svg") == 1 and page.count("<section") == 3 and "elu(alpha=2.0)" in page and "max(0, x)" in page
    values = views.curve_values("elu(alpha=2)", -1, 1, 3)
    assert values["y"] == pytest.approx([2 * np.expm1(-1), 0, 1], abs=1e-5)


@pytest.mark.parametrize(
    "specs",
    [[], ["os:system"], ["relu"] * 2 + ["elu", "selu", "mish", "gelu", "silu"], ["<b>"], ["elu(alpha=-1)"], [5], None,
     ["a" * 201], ["relu(" * 50]],
)  # fmt: skip
def test_specs_that_cannot_be_drawn_are_said(specs):
    with pytest.raises(KactError) as told:
        views.curve_page(specs)
    assert len(str(told.value).splitlines()) <= 2


def test_a_function_of_somebodys_own_is_never_imported(catalogue, monkeypatch):
    import importlib

    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"imported {name}"))
    with pytest.raises(KactError, match="list only"):
        knobs.safe_spec("tests.demo_files_imported:act")
    assert "without --own-code" in catalogue.entries["own-code"].problem


@pytest.mark.parametrize("name", ["rrelu", "leaky_relu", "penalized_tanh", "elu", "snake", "squareplus", "prelu"])
def test_every_position_of_a_slider_is_usable(name):
    for knob in knobs.knobs([name]):
        for value in np.linspace(knob.low, knob.high, 7):
            assert knobs.turned([name, "relu"], knob, float(value))[1] == "relu"


def test_broken_runs_are_listed_as_broken_and_the_rest_work(catalogue):
    catalogue.load_all()
    problems = {key: catalogue.entries[key].problem for key in (
        "unfinished", "damaged", "no-json", "no-toml", "own-code", "own-model", "with-code")}  # fmt: skip
    assert all(problems.values()) and "not finished" in problems["unfinished"] and "code" in problems["with-code"]
    assert problems["own-model"] == (
        "Its model is a class of somebody's own, and the page was started without --own-code."
    )
    assert not catalogue.entries["good"].problem
    page = views.models_page(catalogue)
    assert page.count("cannot be used: ") == 7 and "window.hacked" not in page and "/" not in "".join(problems.values())
    with pytest.raises(KactError, match="cannot be used"):
        views.look(catalogue, Image.new("L", (8, 8)), ["with-code"])
    assert views.look(catalogue, Image.new("L", (8, 8)), ["good"])


def test_many_threads_get_the_answers_that_one_gets(catalogue):
    drawn = [*pictures.drawings().values()] * 3
    alone = [views.look_values(catalogue, one, CIFAR[:2]) for one in drawn]
    together = [None] * len(drawn)

    def work(number):
        together[number] = views.look_values(catalogue, drawn[number], CIFAR[:2])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(drawn))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert together == alone


def test_reports_hold_their_figures_and_nothing_that_runs(tmp_path):
    (tmp_path / "a" / "figures").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "a" / "figures" / "one.png")
    Image.new("RGB", (4, 4)).save(tmp_path.parent / "outside.png")
    (tmp_path / "a" / "report.md").write_text(
        "# Study <b>\n\n<script>window.hacked=1</script>\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n"
        "![one](figures/one.png) ![far](https://example.org/x.png) ![out](../../outside.png) ![p](/etc/passwd)\n\n"
        "[bad](javascript:alert(1)) [good](https://example.org) <img src=x onerror=alert(1)>"
    )
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "report.md").write_bytes(b"\xff\xfe\xff")
    reports = results.find_reports([tmp_path])
    page = results.report_page(reports, "Study <b>")
    assert page.count("<img") == 1 and page.count("data:image/png;base64,") == 1 and "<table>" in page
    assert "<script" not in page and "javascript:" not in re.sub(r">[^<]*<", "><", page) and "&lt;script" in page
    with pytest.raises(KactError, match="cannot be read"):
        results.report_page(reports, "report")
    with pytest.raises(KactError, match="no such"):
        results.report_page(reports, "../../etc/passwd")


def test_the_repositorys_results_are_shown():
    reports = results.find_reports(results.HOUSE)
    files = [one.path.stem for one in reports.values()]
    assert files[0] == "lenet-activations" and len(set(files)) == len(files) >= 8 and {"README", "mnist"} < set(files)
    assert all("<table>" in results.report_page(reports, title) for title in reports)


def test_studies_of_one_title_are_told_apart(tmp_path):
    from kact.reports.write import report
    from tests.made_results import MEANS, made_rows, write_study

    for name, about in {"lenet": {}, "lenet-quick": {"quick": True}, "again": {}, "other": {"title": "Other"}}.items():
        grid = {"activation": list(MEANS)}
        report([str(write_study(tmp_path / "runs" / name, made_rows(MEANS), grid=grid, **about))], formats=["md"])
    (tmp_path / "kept.md").write_text("# Other\n")
    (tmp_path / "empty.md").touch()
    (tmp_path / "deep" / "lenet").mkdir(parents=True)
    (tmp_path / "deep" / "lenet" / "report.md").write_text("# Made study\n")
    reports = results.find_reports([tmp_path])
    assert set(reports) == {
        "Made study (quick form)",
        *("Made study · again", "Made study · lenet", "Made study · lenet (2)"),
        *("Other · kept", "Other · other", "empty"),
    }
    assert "This is the quick form" in results.report_page(reports, "Made study (quick form)")
    assert reports["Made study · again"].path == tmp_path / "runs" / "again" / "report" / "report.md"


def test_the_views_know_nothing_of_gradio():
    import subprocess
    import sys

    code = "import sys, demo.views, demo.uploads, demo.results; sys.exit('gradio' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("share", "words"), [(0.5, "50.0 %"), (1.0, "100.0 %"), (0.99999, "> 99.9 %"), (0, "0.0 %")])
def test_shares_are_written_without_claiming_more(share, words):
    assert pages.percent(share) == words
