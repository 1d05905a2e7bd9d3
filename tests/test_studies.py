"""Study files: each bundled one loads, and whatever is wrong in one's own is named with its file."""

import re

import pytest

from kact import __main__ as command
from kact.errors import KactError
from kact.models import PRESETS
from kact.studies.row import STAGES
from kact.studies.show import describe
from kact.studies.study import Study
from kact.studies.study_file import from_toml, load_study, study_names, to_toml
from kact.studies.tune import Tune

pytestmark = pytest.mark.any_backend

PUBLISHED = ["1a", "1b", "1c", "2a", "2b", "2c", "2d", "2e", "2f", "2g", "3a", "3c", "3d", "3e"]
PUBLISHED += ["4a", "4b", "4c", "4d", "4e", "4f", "5"]
ACTIVATIONS = ["relu", "elu", "mish", "gelu", "silu", "tanh", "selu", "softplus", "sigmoid", "leaky_relu"]
FILE = """# My study.
#
# Nothing to expect.
compare = "activation"
seeds = 3
[base]
task = "digits"
epochs = 4
[grid]
activation = ["relu", "mish"]
[quick]
seeds = 2
base = { epochs = 1 }
"""


def load(tmp_path, text, quick=False):
    (tmp_path / "mine.toml").write_text(text)
    return load_study(tmp_path / "mine.toml", quick)


@pytest.mark.parametrize("quick", [False, True], ids=["full", "quick"])
@pytest.mark.parametrize("name", study_names())
def test_each_bundled_study_has_its_cells_once_and_says_how_to_run_it(name, quick):
    study = load_study(name, quick)
    runs = [(stage, experiment.hash, experiment.seed) for stage in STAGES for _, experiment in study.experiments(stage)]
    assert len(set(runs)) == len(runs) == sum(study.run_count(stage) for stage in STAGES)
    assert study.quick == quick and study.name == name and study.title and study.question and study.notes
    assert f"kact study run {name}" in study.header.splitlines()
    assert len(study.seeds) >= 2, "one seed tells nothing"
    for cell, _ in study.experiments("compare"):
        assert list(cell) == list(study.factors) and all(cell[name] in study.factors[name] for name in cell)


def test_every_published_study_is_there():
    assert sorted(filter(None, (load_study(name).study for name in study_names()))) == PUBLISHED


def test_the_house_study_tunes_each_of_ten_activations_for_six_paired_seeds():
    study = load_study("lenet-activations")
    assert len(study.factors["activation"]) >= 10 and len(study.seeds) >= 6
    assert study.tune is not None and "learning_rate" in study.tune.grid
    assert not set(study.tune.seeds) & set(study.seeds), "no compared run takes part in the choice"


def test_published_networks_keep_their_habit_without_batch_norm(tmp_path):
    sized = load(
        tmp_path, FILE.replace('task = "digits"', 'task = "cifar10"\nmodel = "cifar-small"\n"model.pool" = "max"')
    )
    for study in (sized, load_study("cifar-saturating")):
        for _, experiment in study.experiments("compare"):
            assert experiment.model == PRESETS["cifar-small"].model and not experiment.batch_norm


def test_quick_changes_what_it_names_and_nothing_else(tmp_path):
    whole, quick = load(tmp_path, FILE), load(tmp_path, FILE, quick=True)
    assert (whole.quick, whole.seeds, whole.base["epochs"]) == (False, (0, 1, 2), 4)
    assert (quick.quick, quick.seeds, quick.base["epochs"]) == (True, (0, 1), 1)
    assert quick.factors == whole.factors and quick.base["task"] == "digits"


def test_without_a_quick_form_there_is_none_to_run(tmp_path):
    with pytest.raises(KactError, match=r"there is no table \[quick\] in it"):
        load(tmp_path, FILE[: FILE.index("[quick]")], quick=True)


def test_a_quick_form_that_asks_something_else_says_so(tmp_path):
    published = 'published = [{ cell = { activation = "relu" }, accuracy = 0.9 }]'
    text = FILE.replace("seeds = 3", f"seeds = 3\ntitle = 'Digits'\n{published}")
    text += 'title = "Other digits"\nnotes = ["made of noise"]\npublished = []\n'
    whole, quick = load(tmp_path, text), load(tmp_path, text, quick=True)
    assert (whole.title, whole.notes, len(whole.published)) == ("Digits", (), 1)
    assert (quick.title, quick.notes, len(quick.published)) == ("Other digits", ("made of noise",), 0)


@pytest.mark.parametrize("name", ["stl10-batchnorm", "hymenoptera-alexnet"])
def test_what_cannot_be_had_offline_is_replaced_in_quick_forms_and_named(name):
    quick = load_study(name, quick=True)
    assert "in place of" in quick.title and "This quick form" in quick.notes[0] and not quick.published


@pytest.mark.parametrize("name", ["cifar-lenet", "lenet-activations", "cifar-depth-grid", "tweets-window"])
@pytest.mark.parametrize("quick", [False, True])
def test_a_study_comes_back_from_the_file_kept_beside_its_results(name, quick):
    study = load_study(name, quick)
    again = from_toml(to_toml(study), "study")
    assert again == study
    assert list(again.experiments("compare")) == list(study.experiments("compare"))


def test_labels_stand_for_the_sizes_that_they_name(tmp_path):
    study = load(
        tmp_path,
        'compare = "depth"\n[base]\ntask = "digits"\n[[zip]]\n"label.depth" = [1, 2]\n'
        '"model.hidden_units" = [[8], [8, 8]]\n[[zip]]\nlearning_rate = [0.1, 0.2]\n"label.block" = ["a", "b"]\n',
    )
    assert list(study.cells())[1] == {"depth": 1, "learning_rate": 0.2, "block": "b"}
    assert [one.model.hidden_units for _, one in study.experiments("compare")] == [(8,), (8,), (8, 8), (8, 8)]


def test_what_goes_with_the_compared_factor_does_not_keep_its_cells_apart():
    assert load_study("cifar-adaptive").factors == {"optimizer": ("sgd", "adadelta")}


TWICE = 'compare = "activation"\n[base]\ntask = "digits"\n[grid]\nactivation = ["silu", "swish"]\n'


@pytest.mark.parametrize(
    "text, said",
    [
        ("", r"\[grid\]"),
        (FILE.replace("compare =", "comapre ="), r"'comapre'.*Did you mean 'compare'\?"),
        (FILE.replace("epochs = 4", "epoch = 4"), r"'epoch'.*Did you mean 'epochs'\?"),
        (FILE.replace("activation = [", "activatoin = ["), r"'activatoin'.*Did you mean 'activation'\?"),
        (FILE.replace('["relu", "mish"]', "[]"), r"'grid: activation'.*at least one value"),
        (FILE.replace('["relu", "mish"]', '"relu"'), r"'grid: activation'.*a list"),
        (FILE.replace('"mish"]', '"relu"]'), r"'relu' comes twice"),
        (FILE.replace('"mish"]', '"msih"]'), r"'msih'.*Did you mean 'mish'\?"),
        (TWICE, r"same experiment: activation silu and activation swish"),
        (FILE.replace("seeds = 3", "seeds = 0"), r"'seeds'.*at least 1"),
        (FILE.replace("seeds = 3", 'seeds = "three"'), r"'seeds'.*a number of seeds"),
        (FILE.replace("seeds = 3", "seeds = [1, 1]"), r"'seeds'.*different"),
        (FILE.replace("seeds = 3", "title = 3"), r"'title'.*a string"),
        (FILE.replace("seeds = 3", "grid = 3", 1).replace("[grid]", "[grids]"), r"'grids'.*Did you mean 'grid'\?"),
        (FILE.replace('compare = "activation"', 'compare = "batch_size"'), r"'compare'.*activation"),
        (FILE.replace('compare = "activation"', 'score = "acuracy"'), r"'acuracy'.*Did you mean 'accuracy'"),
        (FILE.replace("epochs = 4", "epochs = -4"), r"'epochs'.*at least 1"),
        (FILE.replace("epochs = 4", "seed = 4"), r"'seed'"),
        (FILE + "[[zip]]\nl2 = [0.1]\ndropout = [0.1, 0.2]\n", r"one length: l2 has 1, dropout has 2"),
        (FILE + '[[zip]]\nactivation = ["elu"]\n', r"'activation' is given twice"),
        (FILE + "[tune]\nseeds = 2\n", r"\[tune\] has nothing to choose"),
        (FILE + '[tune]\nl2 = [0.1]\nwithin = ["task"]\n', r"'within'.*activation"),
        (FILE + "[tune]\nl2 = [0.1]\nseeds = [5, 2]\n", r"seed 2 is both tuned with and compared"),
        (
            FILE.replace("epochs = 4", 'epochs = 4\ntrain_on = "train+validation"\nkeep = "last"')
            + "[tune]\nl2 = [0.1]\n",
            r"chooses on validation.*leaves none",
        ),
        (FILE + "[[published]]\naccuracy = 0.5\n", r"'published'.*cell"),
        (FILE + '[[published]]\ncell = { activation = "elu" }\n', r"published cell activation.*relu, mish"),
        (FILE.replace("seeds = 2", "source = 'x'"), r"key 'source' in a .quick. table"),
        (FILE + "[", r"not valid TOML"),
        (FILE.replace("seeds = 3", "continue_epochs = true"), r"several lengths"),
    ],
)
def test_bad_files_are_named_with_what_is_wrong(tmp_path, text, said):
    with pytest.raises(KactError) as raised:
        load(tmp_path, text)
    assert "mine.toml" in str(raised.value) and re.search(said, str(raised.value), re.DOTALL), str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2


def test_an_unknown_name_has_its_nearest(capsys):
    assert command.main(["study", "show", "tweets-windwo", "--no-probe"]) == 2
    assert "Did you mean 'tweets-window'?" in capsys.readouterr().err


def test_ten_million_runs_are_counted_without_being_made(tmp_path, capsys):
    (tmp_path / "huge.toml").write_text(
        f'compare = "activation"\nseeds = 10\n[base]\ntask = "digits"\n[grid]\nactivation = ["relu", "elu"]\n'
        f"epochs = {list(range(1, 1001))}\nbatch_size = {list(range(1, 501))}\n"
    )
    arguments = ["study", "run", str(tmp_path / "huge.toml"), "--out", str(tmp_path / "out")]
    assert command.main(arguments) == 2
    assert "10,000,000 runs" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("answer, code", [("n", 2), ("", 2), ("yes", None)])
def test_somebody_is_asked_before_very_many_runs(monkeypatch, answer, code):
    from kact.studies import command as study_command

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    if code is None:
        study_command._confirm(10_000_000, yes=False)
        return
    with pytest.raises(KactError, match="10,000,000"):
        study_command._confirm(10_000_000, yes=False)


def test_all_are_listed_and_each_can_be_shown(capsys):
    assert command.main(["study", "list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in study_names())
    assert command.main(["study", "show", "stl10-batchnorm", "--no-probe", "--quick"]) == 0
    assert "quick form" in capsys.readouterr().out


@pytest.mark.parametrize(("values", "enough"), [(2, 6), (3, 7), (5, 9), (10, 11)])  # as docs/statistics.md has them
def test_seeds_that_are_too_few_for_the_test_are_told_before_anything_is_trained(values, enough):
    study = Study(grid={"activation": ACTIVATIONS[:values]}, seeds=enough)
    assert "sign-flip" not in describe(study)
    for seeds in (2, enough - 1):
        few = f"{seeds} seeds are few: the sign-flip test needs {enough} to show any difference among {values} values"
        assert f"\n{few}; a paired t-test stands in\n" in describe(study.replace(seeds=seeds))
    assert "\n1 seed shows no difference: " in describe(study.replace(seeds=1))


def test_one_value_alone_needs_no_seeds_for_a_comparison():
    assert "seed shows" not in describe(Study(grid={"activation": ["relu"]}))


def test_tuning_runs_have_a_length_of_their_own_where_it_is_given(tmp_path):
    study = load(tmp_path, FILE + "[tune]\nl2 = [0.1, 0.2]\nepochs = 2\n")
    lengths = {stage: {one.epochs for _, one in study.experiments(stage)} for stage in ("tune", "compare")}
    assert study.tune.epochs == 2 and lengths["tune"] == {2} and lengths["compare"].isdisjoint({2})
    assert all("epochs" not in cell for cell, _ in study.experiments("tune"))
    assert from_toml(to_toml(study), study.name) == study


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tune]\nl2 = [0.1]\nepochs = 0\n", "tune: epochs"),
        ("[tune]\nl2 = [0.1]\nepochs = true\n", "tune: epochs"),
        ('[tune]\nl2 = [0.1]\nepochs = "ten"\n', "tune: epochs"),
    ],
)
def test_tuning_runs_of_no_usable_length_are_refused(tmp_path, text, message):
    with pytest.raises(KactError, match=message):
        load(tmp_path, FILE + text)


def test_tuning_runs_have_no_length_of_their_own_where_lengths_are_compared():
    with pytest.raises(KactError, match="length of their own"):
        Study(base={"task": "digits"}, grid={"epochs": [1, 2]}, compare="epochs", tune=Tune({"l2": [0.1]}, epochs=1))
    with pytest.raises(KactError, match="twice"):
        Tune({"epochs": [1, 2]}, epochs=1)


def test_a_byte_that_is_no_text_says_what_to_do_with_the_file(tmp_path):
    (tmp_path / "study.toml").write_bytes(b'title = "\xff"\n')
    with pytest.raises(KactError, match=r"(?s)study\.toml.*byte 9\..*else delete it and give `kact study run` again"):
        load_study(tmp_path / "study.toml")


def test_a_file_of_that_name_without_its_ending_is_meant(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text('[base]\ntask = "digits"\n')
    assert command.main(["study", "show", "mine"]) == 2
    assert "There is no study 'mine'. Did you mean 'mine.toml'?" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["mine.tml", "mnie", "mnie.toml", "mine"])
def test_a_mistyped_file_meets_the_one_that_lies_there(tmp_path, monkeypatch, capsys, given):
    (tmp_path / "mine.toml").write_text('[base]\ntask = "digits"\n')
    assert command.main(["study", "run", str(tmp_path / given)]) == 2
    assert f"Did you mean '{tmp_path / 'mine.toml'}'?" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert command.main(["study", "run", given]) == 2
    assert "Did you mean 'mine.toml'?" in capsys.readouterr().err
    assert command.main(["study", "run", "nowhere/tweets-windwo"]) == 2
    assert "Did you mean 'tweets-window'?" in capsys.readouterr().err
