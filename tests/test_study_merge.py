"""Shards of a study on several machines, and merging them to the whole."""

import dataclasses

import pytest

from kact.errors import KactError
from kact.runs import Run
from kact.studies.directory import StudyDirectory
from kact.studies.merge import merge_studies
from kact.studies.shard import Shard
from tests.studies import PoolHere, pretend, run_study, small_study, trained

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize("tune", [False, True])
def test_shards_merge_to_the_whole_study(tmp_path, tune):
    def score(job):
        return None if job.prepare else trained(job.experiment, job.experiment.learning_rate * 10)

    study = small_study(tmp_path, seeds=3, activations=("relu", "elu", "mish"), tune=tune)
    whole = run_study(study, tmp_path / "whole", PoolHere(score))
    parts = [tmp_path / f"part{number}" for number in (1, 2)]
    counts = [
        len(run_study(study, part, PoolHere(score), shard=Shard(number, 2))) for number, part in enumerate(parts, 1)
    ]
    assert sum(counts) == len(whole) and min(counts) > 0
    assert merge_studies(tmp_path / "merged", parts) == len(whole)
    assert merge_studies(tmp_path / "merged", parts) == 0, "nothing is there twice"

    def facts(rows):
        return sorted((row.stage, row.hash, row.seed, str(row.cell), row.experiment["learning_rate"]) for row in rows)

    assert facts(StudyDirectory(tmp_path / "merged").table.rows()) == facts(whole)
    nothing = PoolHere(score)
    run_study(study, tmp_path / "merged", nothing)
    assert nothing.done == []


def of(data):
    """Return what does a job without training anything, on data of a fingerprint."""

    def score(job):
        made = trained(job.experiment)
        provenance = {"provenance": {"data": data}}
        return None if job.prepare else dataclasses.replace(made, metrics=made.metrics | provenance)

    return score


def test_parts_of_different_data_are_not_merged(tmp_path):
    study = small_study(tmp_path, seeds=3, activations=("relu", "elu", "mish"))
    parts = [tmp_path / f"part{number}" for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        run_study(study, part, PoolHere(of(f"{number}" * 64)), shard=Shard(number, 2))
    with pytest.raises(KactError, match=r"part2' and '.*part1' hold runs of the task 'digits' that saw different data"):
        merge_studies(tmp_path / "merged", parts)
    assert not (tmp_path / "merged").exists()


def test_parts_that_come_later_hide_no_seed_that_is_there_and_are_compared_with_it(tmp_path):
    study, whole = small_study(tmp_path), StudyDirectory(tmp_path / "whole")
    for name, seeds, data in (("first", (0, 1), "1"), ("second", (2, 3), "1"), ("strange", (4, 5), "2")):
        run_study(study.replace(seeds=seeds), tmp_path / name, PoolHere(of(data * 64)))
    merge_studies(whole.path, [tmp_path / "first"])
    merge_studies(whole.path, [tmp_path / "second"])
    assert whole.study().seeds == (0, 1, 2, 3) and len(whole.rows()) == 8
    with pytest.raises(KactError, match=r"strange' and '.*whole' hold runs of the task 'digits' that saw different"):
        merge_studies(whole.path, [tmp_path / "strange"])
    assert whole.study().seeds == (0, 1, 2, 3) and len(whole.rows()) == 8


def test_merging_takes_the_run_directories_along_and_refuses_strangers(tmp_path):
    study = small_study(tmp_path, seeds=1)
    rows = run_study(study, tmp_path / "part", shard=Shard(1, 2))
    merge_studies(tmp_path / "merged", [tmp_path / "part"])
    assert Run.load(tmp_path / "merged" / rows[0].path).model_path.is_file()
    run_study(small_study(tmp_path, epochs=2), tmp_path / "other", PoolHere(pretend))
    with pytest.raises(KactError, match="another study"):
        merge_studies(tmp_path / "merged", [tmp_path / "part", tmp_path / "other"])
    with pytest.raises(KactError, match="no study in"):
        merge_studies(tmp_path / "merged", [tmp_path / "nowhere"])


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2"])
def test_a_shard_is_a_part_of_all(text):
    with pytest.raises(KactError, match="such as 2/5"):
        Shard.parse(text)
