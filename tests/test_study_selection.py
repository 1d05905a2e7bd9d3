"""Some cells of a study, run for themselves."""

import pytest

from kact.errors import KactError
from kact.studies import command
from kact.studies.directory import StudyDirectory
from kact.studies.selection import Selection
from kact.studies.shard import Shard
from kact.studies.study import Study
from tests.studies import PoolHere, run_study, small_study, trained

pytestmark = pytest.mark.any_backend

NETS = {"label.network": ["small", "large"], "model.hidden_units": [[4], [8]]}
STUDY = Study(
    base={"task": "digits"},
    grid={"activation": ["relu", "elu(alpha=2.0)"], "batch_norm": [False, True], "l2": [0.0, 0.01]},
    zips=[NETS],
    seeds=3,
)


def wanted(study, texts, stage="compare"):
    return [cell for cell, _ in Selection.parse(study, texts).of(study, stage, study.experiments(stage))]


@pytest.mark.parametrize(
    ("texts", "cells"),
    [
        ([], 16),
        (["network=large"], 8),
        (["activation=elu(alpha=2)", "batch_norm=true", "l2=1e-2"], 2),
        (["l2=0", "l2=0.01", "network = small"], 8),
    ],
)
def test_cells_are_named_by_their_factors_values(texts, cells):
    assert len(wanted(STUDY, texts)) == 3 * cells == Selection.parse(STUDY, texts).run_count(STUDY)


def test_a_cell_that_is_wanted_has_the_value():
    assert {cell["network"] for cell in wanted(STUDY, ["network=large"])} == {"large"}
    assert {cell["batch_norm"] for cell in wanted(STUDY, ["batch_norm=False"])} == {False}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("network", "FACTOR=VALUE"),
        ("netwrok=large", "Did you mean 'network'"),
        ("network=lrage", "Did you mean 'large'"),
        ("l2=0.02", "one of: 0.0, 0.01"),
        ("batch_norm=1", "one of: False, True"),
        ("activation=elu", "elu"),
    ],
)
def test_what_no_cell_has_is_refused(text, said):
    with pytest.raises(KactError, match=said):
        Selection.parse(STUDY, [text])


def test_a_part_that_is_run_first_is_not_run_again_with_the_whole(tmp_path):
    def score(job):
        return None if job.prepare else trained(job.experiment, job.experiment.learning_rate * 10)

    study = small_study(tmp_path, activations=("relu", "elu", "mish"), tune=True)
    whole = run_study(study, tmp_path / "whole", PoolHere(score))
    part = Selection.parse(study, ["activation=elu"])
    rows = run_study(study, tmp_path / "out", PoolHere(score), selection=part)
    assert {row.cell["activation"] for row in rows} == {"elu"} and len(rows) == part.run_count(study) == 4
    pool = PoolHere(score)
    assert len(run_study(study, tmp_path / "out", pool)) == len(whole)
    assert len(pool.done) == len(whole) - len(rows)


def test_what_is_tuned_together_is_tuned_whole(tmp_path):
    study = small_study(tmp_path, tune=True)
    study = study.replace(grid={"activation": ("relu", "mish"), "l2": (0.0, 0.01)})
    tuned = wanted(study, ["activation=relu", "l2=0.01"], "tune")
    assert {cell["activation"] for cell in tuned} == {"relu"} and {cell["l2"] for cell in tuned} == {0.0, 0.01}
    assert Selection.parse(study, ["activation=relu", "l2=0.01"]).run_count(study) == len(tuned) + 2


def test_a_shard_of_a_selection_is_a_part_of_it(tmp_path):
    study = small_study(tmp_path, seeds=3)
    part = Selection.parse(study, ["activation=mish"])
    counts = [
        len(run_study(study, tmp_path / f"{number}", PoolHere(pretended), selection=part, shard=Shard(number, 2)))
        for number in (1, 2)
    ]
    assert sum(counts) == 3 and min(counts) > 0


def pretended(job):
    return None if job.prepare else trained(job.experiment)


def test_the_command_runs_what_it_names_and_says_what_is_missing(tmp_path, capsys):
    small_study(tmp_path, seeds=1)
    file, out = str(tmp_path / "small.toml"), tmp_path / "out"
    assert command.main(["show", file, "--no-probe", "--only", "activation=mish"]) == 0
    assert "of these activation=mish: 1 run" in capsys.readouterr().out
    assert command.main(["run", file, "--out", str(out), "--workers", "1", "--only", "activation=mish"]) == 0
    assert [row.cell for row in StudyDirectory(out).rows()] == [{"activation": "mish"}]
    assert command.main(["status", str(out)]) == 0
    assert "1 finished, 1 of 2 missing" in capsys.readouterr().out
