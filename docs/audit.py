"""Known vulnerabilities of the pinned versions, by pip-audit where there is a network; it says so where there is none.

    python -m docs.audit

It ends with 0 where every pinned version was looked up and none has a known vulnerability, else with 1.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PINNED = Path(__file__).parents[1] / "constraints.txt"
_MINUTES = 10
_OPTIONS = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]


def audit() -> list[str]:
    """Return what is wrong, in lines; nothing where all is well."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(PINNED), *_OPTIONS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * _MINUTES, check=False)
        listed = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return [f"Nothing was audited: there was no answer in {_MINUTES} minutes. Is there a network?"]
    except (ValueError, KeyError, TypeError):
        said = done.stderr.strip().splitlines() or ["pip-audit said nothing"]
        return [f"Nothing was audited: {said[-1]}", "It needs pip-audit (pip install 'kact[audit]') and a network."]
    return told(listed)


def told(listed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each known vulnerability, and one for what could not be looked up.

    Example:
        >>> told([{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "not found"}])
        ['Not audited: 1 of 2 packages, such as b (not found). Is there a network?']
    """
    lines = [
        f"{one['name']} {one['version']}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'no version'}"
        for one in listed
        for known in one.get("vulns", [])
    ]
    skipped = [one for one in listed if "skip_reason" in one]
    if skipped or not listed:
        example = f", such as {skipped[0]['name']} ({skipped[0]['skip_reason']})" if skipped else ""
        lines.append(f"Not audited: {len(skipped)} of {len(listed)} packages{example}. Is there a network?")
    return lines


def main() -> int:
    """Audit, and say what came out."""
    wrong = audit()
    print("\n".join(wrong) or f"No known vulnerability in the versions of {PINNED.name}.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
