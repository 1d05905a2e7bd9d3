"""`python -m demo`, up to where it would serve: what it cannot use is told in two lines, before anything is loaded."""

import socket
import subprocess
import sys

import pytest

from demo.__main__ import main

pytestmark = pytest.mark.any_backend


def test_a_port_that_is_taken_is_told_before_anything_heavy_is_loaded():
    code = (
        "import sys; from demo.__main__ import main; code = main(sys.argv[1:]);"
        "print(code, {'gradio', 'keras', 'torch'} & {*sys.modules})"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for host in ("127.0.0.1", "0.0.0.0"):
            given = [sys.executable, "-W", "ignore", "-c", code, "--port", port, "--host", host]
            done = subprocess.run(given, capture_output=True, text=True, check=True)
            assert done.stderr == f"kact: Port {port} is taken.\nGive another --port; --port 0 takes a free one.\n"
            assert done.stdout == "2 set()\n"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--prot", "7"], "There is no flag --prot. Did you mean --port?"),
        (["--port", "abc"], "The '--port' parameter must be a whole number. Got 'abc' instead."),
        (["--port"], "The flag --port needs a value."),
        (["--runs", "runs-of-nobody"], "There is no folder 'runs-of-nobody'."),
        (["--port", "0", "--host", "198.51.100.1"], "Cannot listen on port 0 of '198.51.100.1'"),
        (["runs"], "There is no place for 'runs'"),
    ],
)
def test_what_cannot_be_used_is_told_as_other_commands_tell_it(given, words, capsys):
    assert main(given) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"kact: {words}") and len(said.splitlines()) <= 2


def test_help_says_every_flag(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    said = capsys.readouterr().out
    assert left.value.code == 0 and all(flag in said for flag in ("--host", "--port", "--runs DIR", "--results DIR"))


def test_folders_are_given_one_by_one_and_in_order(monkeypatch, tmp_path):
    from demo import __main__ as demo

    class Page:
        def block_thread(self):
            pass

    asked = []
    monkeypatch.setattr(demo, "start", lambda *given, own_code: asked.append((*given, own_code)) or Page())
    assert main(["--runs", "a", "--runs=b", "--results", "c", "--port", "0", "--own-code"]) == 0 and main([]) == 0
    host, port, runs, results, own_code = asked[0]
    assert (host, port, [*map(str, runs)], [*map(str, results)]) == ("127.0.0.1", 0, ["a", "b"], ["c"])
    assert own_code and asked[1] == ("127.0.0.1", 7860, (), (), False)
