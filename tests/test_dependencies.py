"""What kact stands on: every licence is known and compatible with its own, and the list of them is the truth."""

import importlib.metadata
import re

import pytest

from docs import dependencies
from docs.dependencies import ROOT, Dependency, faults, licence_of, written

pytestmark = pytest.mark.any_backend


def test_every_licence_here_is_known_and_compatible():
    found, _ = dependencies.dependencies()
    assert {"keras", "torch", "numpy", "pytest"} <= {one.name for one in found}
    assert faults(found) == []


def test_the_list_says_of_what_is_installed_what_it_says_itself():
    found, _ = dependencies.dependencies()
    rows = written()
    licences = {name: row.split(" | ")[2] for name, row in rows.items()}
    assert {one.name: one.licence for one in found} == {one.name: licences.get(one.name) for one in found}
    assert list(rows) == sorted(rows) and "unknown" not in licences.values()


def test_the_list_has_the_pinned_versions():
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pinned = {name.lower().replace("_", "-").replace(".", "-"): version for name, version in pinned.items()}
    versions = {name: row.split(" | ")[1] for name, row in written().items()}
    unpinned = {"pip", "setuptools", "wheel"}  # which `pip freeze` leaves out
    assert {name for name, version in versions.items() if pinned.get(name) != version} <= unpinned


def test_an_unknown_and_an_incompatible_licence_are_told():
    found = [Dependency("a", "1", "MIT"), Dependency("b", "2", ""), Dependency("c", "3", "GPL-3.0-only OR MIT")]
    assert faults(found) == ["b 2: its licence is unknown", "c 3: its licence is GPL-3.0-only OR MIT"]


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ("License-Expression: GPL-3.0-only\nLicense: MIT\n", "GPL-3.0-only"),
        ("License: proprietary\n", ""),
        ("License: GPLv3\nClassifier: License :: OSI Approved :: MIT License\n", ""),
        ("Classifier: License :: OSI Approved :: MIT License\n", "MIT"),
        ("Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)\n", ""),
        ("", ""),
    ],
)
def test_a_licence_is_what_the_package_says(fields, licence, tmp_path):
    folder = tmp_path / "made-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: made\nVersion: 1\n{fields}\n")
    assert licence_of(importlib.metadata.PathDistribution(folder)) == licence
