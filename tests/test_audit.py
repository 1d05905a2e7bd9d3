"""`make audit`: known vulnerabilities are told, and what could not be looked up is never taken for sound."""

import json
import subprocess

import pytest

from docs import audit

pytestmark = pytest.mark.any_backend

SOUND = {"name": "numpy", "version": "2.0", "vulns": []}
BAD = {"name": "pillow", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found"}


def answer(monkeypatch, stdout, stderr="", code=0):
    done = subprocess.CompletedProcess([], code, stdout, stderr)
    monkeypatch.setattr(subprocess, "run", lambda *given, **options: done)


@pytest.mark.parametrize(
    ("listed", "lines"),
    [
        ([SOUND], []),
        ([SOUND, BAD], ["pillow 1.0: CVE-1, mended in 1.1"]),
        ([SOUND, SKIPPED], ["Not audited: 1 of 2 packages, such as torch (Dependency not found). Is there a network?"]),
        ([], ["Not audited: 0 of 0 packages. Is there a network?"]),
    ],
)
def test_what_was_found_is_told(listed, lines, monkeypatch, capsys):
    answer(monkeypatch, json.dumps({"dependencies": listed}))
    assert audit.audit() == lines and audit.main() == bool(lines)
    assert capsys.readouterr().out


def test_without_a_network_or_pip_audit_nothing_is_claimed(monkeypatch):
    answer(monkeypatch, "", "ConnectionError: no route to host", 1)
    assert audit.audit()[0] == "Nothing was audited: ConnectionError: no route to host"

    def slow(*given, **options):
        raise subprocess.TimeoutExpired("pip-audit", 600)

    monkeypatch.setattr(subprocess, "run", slow)
    assert "no answer in 10 minutes" in audit.audit()[0]
