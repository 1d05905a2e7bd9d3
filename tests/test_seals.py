"""Seals: no flipped byte of a sealed file is believed; files without a seal are read as before."""

import json

import pytest

from kact.storage.seals import check_toml, read_json, sealed_json, sealed_toml

pytestmark = pytest.mark.any_backend
CONTENT = {"status": "finished", "test": {"accuracy": 0.975, "loss": 0.1}, "labels": ["a", "\u00e9"], "none": None}


@pytest.mark.parametrize("indent", [None, 1])
def test_every_flipped_byte_of_sealed_json_is_noticed_or_changes_nothing(indent, tmp_path):
    file = tmp_path / "sealed.json"
    file.write_text(sealed_json(CONTENT, indent))
    assert read_json(file) == CONTENT and json.loads(file.read_text())["test"] == CONTENT["test"]
    whole = file.read_bytes()
    for place in range(len(whole)):
        for mask in (0x01, 0x10, 0x80):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :])
            with pytest.raises(ValueError):
                read_json(file)


def test_every_flipped_byte_of_sealed_toml_is_noticed_or_in_the_seal(tmp_path):
    text = 'seeds = 5\n[base]\ntask = "digits"\n'
    sealed = sealed_toml(text)
    check_toml(sealed)
    for place in range(len(sealed)):
        changed = sealed[:place] + chr(ord(sealed[place]) ^ 0x10) + sealed[place + 1 :]
        try:
            check_toml(changed)
        except ValueError:
            continue
        assert changed.startswith(text), "all that counts is as it was"


def test_what_has_no_seal_is_taken_as_it_is(tmp_path):
    (tmp_path / "old.json").write_text(json.dumps(CONTENT, indent=1))
    assert read_json(tmp_path / "old.json") == CONTENT
    check_toml("seeds = 5\n")
    (tmp_path / "old.json").write_text("[1]")
    with pytest.raises(ValueError, match="no JSON object"):
        read_json(tmp_path / "old.json")
