"""The site of these pages, built by Sphinx without the network: `make docs`."""

import os
import re
import sys
from pathlib import Path

# What pages print of commands is printed by this Python, in lines of one width.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["COLUMNS"] = "100"
os.environ.setdefault("KERAS_BACKEND", "torch")

project = "kact"
copyright = "kact's authors, Apache-2.0"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinxcontrib.programoutput",
]
root_doc = "index"
exclude_patterns = ["results/studies/rows"]  # which pages include
html_theme = "furo"
html_title = "kact"
html_copy_source = False
html_show_sphinx = False

# Headings become link targets.
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "ignore-module-all": True}
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # fields of dataclasses stand in their class' docstring, and once
default_role = "code"

# The same Markdown is read in the repository. There a link may lead out of docs/: to a table of benchmarks, which is
# included in a page here, or to a file of the source, which the site does not have.
_TABLE = re.compile(r"\]\((?:\.\./)+benchmarks/results/\w+\.md\)")
_PAGE = re.compile(r"\]\((?:\.\./)+docs/([^)]+)\)")
_SOURCE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+(?:tests|kact|tuning|demo|benchmarks|examples)/[^)]*\)")
_CODE = re.compile(r"(`[^`\n]+`)")


def _plain_text(app, what, name, obj, options, lines):
    """Docstrings are plain text with names between backticks: take no star, bar or underscore in them for markup."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...", ":")):
            parts = _CODE.split(line)
            lines[number] = "".join(
                part if part.startswith("`") else re.sub(r"([*|]|_(?!\w))", r"\\\1", part) for part in parts
            )


def _linked_here(text):
    """Turn links that only the repository has into those of the site."""
    return _SOURCE.sub(r"\1", _PAGE.sub(r"](/\1)", _TABLE.sub("](/benchmarks.md)", text)))


def _read(app, name, content):
    content[0] = _linked_here(content[0])


def _read_include(app, path, parent, content):
    content[0] = _linked_here(content[0])


def setup(app):
    """Connect what this file adds to Sphinx."""
    app.connect("autodoc-process-docstring", _plain_text, priority=400)
    app.connect("source-read", _read)
    app.connect("include-read", _read_include)
