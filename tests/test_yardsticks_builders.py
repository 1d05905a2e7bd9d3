"""Every TFDS builder of kact's against TFDS's own yardstick, `DatasetBuilderTestCase`; and the same without TensorFlow.

TFDS's test case needs TensorFlow and runs where that is the backend. What it holds a builder to is written out below
for everybody else: registered, described, every file's checksum recorded, as many examples as there are, of the shapes
and types that were promised, none in two splits.
"""

import os
import unittest

import pytest

from kact.tasks import cifar10, mnist, stl10, twitter_pos
from tests.corpus import sentences, text_of
from tests.test_tasks_prepared import write_cifar_archive, write_mnist_files, write_stl_archive

BACKEND = os.environ.get("KERAS_BACKEND", "torch")
SETS = {"cifar10": cifar10._SET, "mnist": mnist._SET, "stl10": stl10._SET, "twitter_pos": twitter_pos.SET}


def lay(name, folder):
    """Made files in the original's formats below `folder`: their names as the builder asks, and examples by split."""
    if name == "mnist":
        paths, parts = write_mnist_files(folder)
        return {key: path.name for key, path in paths.items()}, {split: len(part[1]) for split, part in parts.items()}
    if name == "twitter_pos":
        counts = {"train": 30, "dev": 10, "test": 13}
        for seed, (part, count) in enumerate(counts.items()):
            long = [one for one in sentences(9 * count, seed) if len(one) > 4]  # too long to come twice by chance
            (folder / part).write_text(text_of(long[:count]) + "\n", encoding="utf-8")
        return {part: part for part in counts}, counts
    write = {"cifar10": write_cifar_archive, "stl10": write_stl_archive}[name]
    parts = write(folder / "made.tar.gz")
    names = {"unlabeled": "unlabelled"}
    return {"archive": "made.tar.gz"}, {names.get(split, split): len(part[1]) for split, part in parts.items()}


@pytest.fixture(params=SETS)
def laid(request, tmp_path):
    files, counts = lay(request.param, tmp_path)
    return SETS[request.param].builder_class(), tmp_path, files, counts


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TFDS's test case needs TensorFlow")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_passes_tfdss_own_test_case(laid):
    import tensorflow_datasets as tfds

    builder, folder, files, counts = laid
    settings = {"DATASET_CLASS": builder, "SPLITS": counts, "EXAMPLE_DIR": str(folder), "DL_DOWNLOAD_RESULT": files}
    case = type("Case", (tfds.testing.DatasetBuilderTestCase,), settings)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.wasSuccessful(), "\n".join(told for _, told in [*result.errors, *result.failures])
    assert result.testsRun >= 5


@pytest.mark.any_backend
def test_it_passes_the_same_without_tensorflow(laid, monkeypatch):
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import DownloadManager

    kind, folder, files, counts = laid
    asked = []
    monkeypatch.setattr(
        DownloadManager, "download", lambda self, urls: asked.append(urls) or {key: folder / files[key] for key in urls}
    )
    assert kind.name in tfds.list_builders(with_community_datasets=False)
    builders = [kind(data_dir=folder / copy) for copy in ("one", "two")]
    for builder in builders:
        builder.download_and_prepare(file_format="array_record")
    info = builders[0].info
    assert info.name == kind.name and info.description and info.citation
    for url in asked[0].values():
        recorded = kind.url_infos[url]
        assert len(recorded.checksum) == 64 and recorded.size > 0 and recorded.filename
    assert {split: info.splits[split].num_examples for split in info.splits} == counts
    found = {}
    for split in counts:
        sources = [builder.as_data_source(split=split) for builder in builders]
        assert len(sources[0]) == counts[split]
        for example, again in zip(*sources, strict=True):
            told = repr(holds(info.features, example))
            assert told == repr(holds(info.features, again)), "prepared twice, it is the same"
            assert found.setdefault(told, split) == split, "an example is in two splits"


def holds(features, example):
    """The example as plain values, each of which is as its feature says."""
    import tensorflow_datasets as tfds

    assert set(example) == set(features)
    for name, value in example.items():
        feature = features[name]
        if isinstance(feature, tfds.features.ClassLabel):
            assert -1 <= int(value) < feature.num_classes
        elif isinstance(feature, tfds.features.Image):
            assert value.shape == feature.shape and value.dtype == feature.np_dtype
        else:
            assert len(value) == len(next(iter(example.values()))) > 0
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in example.items()}
