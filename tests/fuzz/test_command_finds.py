"""What fuzzing of command lines found, each as the smallest that showed it."""

import pytest

from kact.__main__ import main as kact

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize("word", ["\0", "\ud800"])
@pytest.mark.parametrize(
    "given",
    [("train", "--config"), ("train", "--out"), ("study", "run", "tweets-window", "--quick", "--out"), ("list",)],
    ids=" ".join,
)
def test_a_word_that_no_terminal_gives(given, word, capsys):
    assert kact([*given, word]) == 2
    assert "is no text that a file could be called" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["\0", "\ud800"])
def test_a_search_in_a_folder_that_no_system_would_make(name, capsys):
    from tuning.__main__ import main

    assert main(["--out", name]) == 2
    assert "is no text that a file could be called" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "99999999999"])
def test_the_page_on_a_port_that_there_is_not(port, capsys):
    pytest.importorskip("gradio")
    from demo.__main__ import main

    assert main(["--port", port]) == 2
    assert capsys.readouterr().err.startswith("kact: The 'port' parameter must be a number from 0 to 65,535")


@pytest.mark.parametrize(
    ("flag", "words"),
    [("--port", "must be a whole number"), ("--runs", "no folder '--'"), ("--results", "no folder '--'")],
)
def test_a_flag_of_the_page_with_two_dashes_for_its_value(flag, words, capsys):
    from demo.__main__ import main

    assert main([f"{flag}=--"]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("host", ["x" * 600, "é..", "a\nb"])
def test_the_page_at_an_address_that_there_is_not(host, capsys):
    from demo.__main__ import main

    assert main(["--host", host, "--port", "0"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
