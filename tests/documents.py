"""What the documents show to be typed: fenced blocks of Markdown, and whether kact's parsers take their commands."""

import argparse
import importlib
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
SHELL, PYTHON, TOML = "sh", "python", "toml"
LANGUAGES = (SHELL, PYTHON, TOML, "text", "yaml")
_FILE = re.compile(r"# ([\w-]+\.(?:py|toml))$")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


class Accepted(Exception):
    """The command line was understood, and the work would begin here."""


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, what it is in, what it says; and the file it is to be saved in, if one."""

    page: str
    line: int
    language: str
    text: str

    @property
    def file(self):
        found = _FILE.match(self.text.splitlines()[0]) if self.text else None
        return found and found[1]

    @property
    def commands(self):
        """Its commands, as words each; comments are left out, lines that end in a backslash joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks(page):
    """The fenced blocks of a page below the repository's root, in order."""
    tokens = MarkdownIt().parse((ROOT / page).read_text(encoding="utf-8"))
    return [Block(page, one.map[0] + 1, one.info.strip(), one.content) for one in tokens if one.type == "fence"]


def plain(words):
    """A command without the environment that is set before it, and what `make` would run in its place."""
    settings = [word for word in words if _ASSIGNMENT.match(word)] if words[0] != "make" else []
    words = [word for word in words if word not in settings]
    if words and words[0] == "make":
        outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of `make test`
        dry = [*words, "--dry-run"]
        told = subprocess.run(dry, cwd=ROOT, env=outside, capture_output=True, text=True, check=True).stdout
        return plain(shlex.split(told.splitlines()[-1]))
    if words and words[0].endswith("python") and "-m" in words:  # python -W ignore -m demo
        return words[words.index("-m") + 1 :]
    return words


def accept(words, monkeypatch):
    """Let kact's own parser take a command, and stop where the work would begin.

    Args:
        words: as `plain` returns them: `kact ...`, or a module and its arguments.
        monkeypatch: pytest's.

    Raises:
        AssertionError: if the parser refuses it, or the module is not known here.
    """
    parser = _parser(words)  # imported before anything is patched, which it would keep
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", "120")
        parse = argparse.ArgumentParser.parse_args
        patch.setattr(argparse.ArgumentParser, "parse_args", lambda *given, **more: _accepted(parse(*given, **more)))
        for place in (
            "demo.__main__.start",
            "kact.backend.select_default",
            "kact.reports.write.report",
            "kact.studies.merge.merge_studies",
            "kact.studies.command._found",
            "kact.inspection.task.is_task",
        ):
            patch.setattr(place, _accepted)
        try:
            code = parser(words[1:])
        except Accepted:
            return
        except SystemExit as left:
            code = left.code
        assert not code, f"{shlex.join(words)} is refused"


def _accepted(*given, **more):
    raise Accepted


def _parser(words):
    from kact.__main__ import main
    from kact.commands.train import parse_train

    if words[:2] == ["kact", "train"]:
        return lambda rest: parse_train(rest[1:], "kact train") and 0
    if words[0] == "kact.train":
        return lambda rest: parse_train(rest, "kact train") and 0
    if words[0] == "kact":
        return main
    if words[0] == "tuning":
        from tuning.command_line import parse_tune

        return lambda rest: parse_tune(rest) and 0
    if words[0] in ("demo", "benchmarks"):
        return importlib.import_module(f"{words[0]}.__main__").main
    raise AssertionError(f"No parser is known for {shlex.join(words)}")
