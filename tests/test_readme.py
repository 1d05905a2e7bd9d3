"""The README, done by somebody who types it in: each block in its order, in an empty folder, without the network.

What is too much for a test (real data, a GPU, a cluster, a browser) is named with its reason, and its commands have to
get past kact's own parser. So have those of all other pages.
"""

import re
import runpy
import shlex
import tomllib

import pytest

from kact import __main__ as command
from kact.experiment import Experiment
from kact.runs import Run
from tests import corpus, documents, image_sets
from tests.studies import PoolHere

pytestmark = pytest.mark.any_backend

README = "README.md"
BLOCKS = documents.blocks(README)
COMMANDS = [
    pytest.param(words, id=f"line{block.line}-{shlex.join(words)}")
    for block in BLOCKS
    if block.language == documents.SHELL
    for words in block.commands
]
NOT_RUN = {
    r"--task cifar10|tweets-window": "needs real data",
    r"--device cuda|--gpu": "needs a GPU",
    r"--cluster": "needs a cluster",
    r"KERAS_BACKEND=(jax|tensorflow)": "needs another backend",
    r"--shard|study merge": "two more studies: test_study_merge.py merges parts",
    r"^demo": "serves until it is stopped: test_demo_server.py starts it",
    r"^tuning": "a search takes half a minute: test_tuning_command.py runs one",
}
NOT_EVEN_PARSED = {
    r"^\. \.venv/bin/activate$": "these tests are in an environment already",
    r"^pytest ": "this is it",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with what the reader is told to have: the README's files, photographs, tagged words."""
    folder = tmp_path_factory.mktemp("reader")
    for block in BLOCKS:
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
    image_sets.make_folder(folder / "photos", {"red": 60, "green": 60}, suffix="jpg")
    (folder / "words.txt").write_text(corpus.text_of(corpus.sentences(150)), encoding="utf-8")
    return folder


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_does_what_it_is_shown_for(words, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr("kact.studies.running._pool", lambda *asked: PoolHere())  # test_study_workers.py has workers
    given, words = shlex.join(words), documents.plain(words)
    typed = shlex.join(words)
    if any(re.search(pattern, typed) for pattern in NOT_EVEN_PARSED):
        return
    if any(re.search(pattern, text) for pattern in NOT_RUN for text in (given, typed)):
        documents.accept(words, monkeypatch)
    elif words[0] == "python":
        runpy.run_path(words[1], run_name="__main__")
    else:
        _do(words)


def _do(words):
    """Run a kact command to its end, a training with one epoch."""
    words = ["kact", "train", *words[1:]] if words[0] == "kact.train" else words
    if words[1] == "train" and "--help" not in words:
        words = [*words, "--epochs", "1"]
    try:
        code = command.main(words[1:])
    except SystemExit as left:
        code = left.code
    assert not code


def test_what_the_reader_is_left_with(folder):
    """Runs last: a run for each training, and the report of the study, where the README says that it is."""
    runs = [Run.load(path.parent) for path in folder.glob("runs/*/metrics.json")]
    assert {run.experiment.activation for run in runs} >= {"relu", "elu", "gelu", "mish", "bump:bump"}
    assert (folder / "runs/mine-quick/report/report.html").stat().st_size > 10_000


def test_every_block_says_what_it_is_in_and_every_file_can_be_read():
    assert {block.language for block in BLOCKS} <= set(documents.LANGUAGES)
    for block in BLOCKS:
        if block.language == documents.TOML:
            tomllib.loads(block.text)
        if block.language == documents.PYTHON:
            compile(block.text, f"{README}:{block.line}", "exec")


def test_what_is_not_run_is_in_the_readme():
    """A reason whose command is gone is taken out here, too."""
    commands = [words for one in COMMANDS for words in one.values]
    typed = [shlex.join(form) for words in commands for form in (words, documents.plain(words))]
    for pattern in [*NOT_RUN, *NOT_EVEN_PARSED]:
        assert any(re.search(pattern, text) for text in typed), pattern


def test_the_output_shown_is_what_training_prints(folder, capsys):
    shown = next(block for block in BLOCKS if block.language == "text").text
    assert command.main(["train", "--out", str(folder / "shown")]) == 0
    printed = capsys.readouterr().out
    for line in shown.splitlines():
        if line.strip() != "...":
            assert _form(line) in _form(printed), line


def _form(text):
    """A text without what differs from machine to machine: numbers, and the folder of runs."""
    return re.sub(r"\d+(\.\d+)?", "0", re.sub(r"\S*(runs|shown)/", "", text.replace(",", "")))


PAGES = sorted(path.relative_to(documents.ROOT).as_posix() for path in documents.ROOT.glob("docs/**/*.md"))
KACTS = ("kact", "kact.train", "tuning", "demo", "benchmarks")


@pytest.mark.parametrize("page", [page for page in PAGES if "/results/" not in page])
def test_commands_of_the_other_pages_are_understood(page, folder, monkeypatch):
    (folder / "runs/RUN").mkdir(parents=True, exist_ok=True)
    (folder / "runs/RUN/experiment.toml").write_text(Experiment().to_toml(), encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for block in documents.blocks(page):
        if block.file and not (folder / block.file).exists():  # the page's own, which its commands name
            (folder / block.file).write_text(block.text, encoding="utf-8")
        for words in block.commands if block.language == documents.SHELL else ():
            words = documents.plain(words)
            if words and words[0] in KACTS and "--help" not in words:
                documents.accept(words, monkeypatch)


@pytest.mark.parametrize("page", [README, *PAGES])
def test_no_page_waits_for_its_figures(page):
    """Neither a word in their place, such as SCORES_OUTPUT, nor two marks with nothing between them."""
    text = (documents.ROOT / page).read_text(encoding="utf-8")
    waiting = r"@@\w*|^(?:[A-Z]+_OUTPUT|TABLE|TODO|TBD)$|<!-- ([\w ]+) -->\s*<!-- end of \1 -->"
    assert not re.findall(waiting, text, re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if "/howto/" in page])
def test_files_shown_in_how_tos_are_those_of_the_readme(page):
    """One `bump.py` everywhere: what is done with it was tried with that one."""
    shown = {block.file: block.text for block in BLOCKS if block.file}
    for block in documents.blocks(page):
        if block.file:
            assert block.text == shown[block.file]
