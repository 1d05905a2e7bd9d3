"""The page over HTTP: its endpoints, what it refuses, and that no answer holds a path, a traceback or a version."""

import importlib.util
import re

import pytest

from tests.demo_files import bad_pictures, good_pictures, strange_runs

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="needs the extra demo: make test-demo"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    from tests.demo_server import served

    with served("--runs", strange_runs(tmp_path_factory.mktemp("runs"))) as found:
        yield found


@pytest.fixture(scope="module")
def http(address):
    import httpx

    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


def call(http, endpoint, *given):
    """Return (result, error) of a named endpoint, as curl would ask for it."""
    import json

    answer = http.post(f"/gradio_api/call/{endpoint}", json={"data": list(given)})
    if answer.status_code != 200:
        return None, answer.text
    text = http.get(f"/gradio_api/call/{endpoint}/{answer.json()['event_id']}").text
    data = json.loads(text[text.index("data: ") + 6 :].splitlines()[0])
    return (data[0], None) if "event: complete" in text else (None, data["error"] or "refused")


def upload(http, name, content):
    return http.post("/gradio_api/upload", files={"files": (name, content)})


def picture(path, **more):
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


def plain(words):
    """Whether words hold no path of the machine, no traceback and no version."""
    return not re.search(r"/tmp|/home|/root|site-packages|\.py\b|Traceback|Error:|\d+\.\d+\.\d+", words)


def test_a_refusal_takes_the_place_of_an_answer_or_is_an_error_for_programs():
    import gradio as gr

    from demo.serving import bounded
    from kact import KactError

    def refuse(given):
        raise KactError(f"{given} is no text.")

    assert bounded(refuse, refused=lambda words: (words, ""))("<b>") == ("&lt;b&gt; is no text.", "")
    with pytest.raises(gr.Error, match="&lt;b&gt; is no text"):
        bounded(refuse)("<b>")


def test_health_says_what_is_loaded(http):
    facts = http.get("/health").json()
    assert facts["status"] == "ready" and facts["loaded"] == facts["models"] >= 6 and facts["broken"] == 7


@pytest.mark.parametrize("name", good_pictures())
def test_every_kind_of_picture_is_classified(http, name):
    path = upload(http, name, good_pictures()[name]).json()[0]
    found, error = call(http, "classify", picture(path, orig_name=name), "digits-relu")
    assert error is None and sum(found[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", bad_pictures())
def test_bad_pictures_are_refused_in_words(http, name):
    content, word = bad_pictures()[name]
    path = upload(http, name, content).json()[0]
    found, error = call(http, "classify", picture(path, orig_name=name), "digits-relu")
    assert found is None and word in error and plain(error)


@pytest.mark.parametrize(
    "given",
    [
        picture("/etc/passwd"), picture("http://127.0.0.1:1/x.png"), picture("HTTPS://example.org/x.png"),
        picture("x", url="data:image/png;base64,aaaa"), picture("../../etc/passwd"), picture("a\0b"), None, 5,
        "/etc/passwd",
        picture("/tmp/gradio/../../etc/passwd"), {}, [],
    ],
)  # fmt: skip
def test_what_is_no_upload_is_refused(http, given):
    found, error = call(http, "classify", given, "digits-relu")
    assert found is None and plain(error) and "root:" not in error


@pytest.mark.parametrize("model", ["no-such", "with-code", "own-code", "own-model", "", "../x", "tweets-relu", 5])
def test_models_that_cannot_answer_are_said(http, model):
    path = upload(http, "a.png", good_pictures()["alpha.png"]).json()[0]
    found, error = call(http, "classify", picture(path), model)
    assert found is None and plain(error)


@pytest.mark.parametrize(
    ("text", "word"), [("", "no text"), ("a" * 2**20, "at most"), ("\0", "no word"), (None, "no text"), (5, "no text")]
)
def test_texts_that_cannot_be_tagged_are_said(http, text, word):
    found, error = call(http, "tag", text, "tweets-relu")
    assert found is None and word in error and plain(error)


def test_texts_and_activations_are_answered(http):
    found, _ = call(http, "tag", "so cool\nשלום \U0001f468‍\U0001f469 <b>", "tweets-relu")
    assert [one["tag"] for one in found[0]] == ["R", "A"] and found[1][-1]["token"] == "<b>"
    found, _ = call(http, "activation", "elu(alpha=2)", -1, 1, 3)
    assert found["x"] == [-1, 0, 1] and found["spec"] == "elu(alpha=2.0)"
    found, error = call(http, "activation", "os:system", -1, 1, 3)
    assert found is None and "list only" in error
    found, _ = call(http, "models")
    assert {"key", "accuracy", "problem"} <= set(found[0])


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/proxy=https://example.org", "/gradio_api/file=http://127.0.0.1/health", "/monitoring", "/docs",
     "/openapi.json", "/gradio_api/file=/etc/passwd", "/gradio_api/vibe-code", "/assets/%2e%2e/%2e%2e/app.py"],
)  # fmt: skip
def test_routes_that_the_page_does_not_need_are_closed(http, path):
    answer = http.get(path)
    assert answer.status_code in (403, 404) and "root:" not in answer.text and "import" not in answer.text


def test_what_is_too_large_is_not_taken(http):
    for size in (10 * 2**20 + 1, 12 * 2**20):
        answer = upload(http, "a.png", b"\0" * size)
        assert answer.status_code == 413 and plain(answer.text)

    def chunks():
        for _ in range(14):
            yield b"\0" * 2**20

    answer = http.post("/gradio_api/queue/join", content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code >= 400


def test_the_page_allows_itself_no_other_host(http):
    answer = http.get("/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert not re.search(r"<(?:script|link)[^>]+(?:src|href)=\"https?://", answer.text)


def test_the_python_client_works(address):
    from gradio_client import Client

    client = Client(address, verbose=False)
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/classify", "/tag", "/activation", "/models"}
    assert client.predict("so cool", "tweets-relu", api_name="/tag")[0][1]["tag"] == "A"


def test_a_password_is_asked_for_where_the_environment_says_so():
    import httpx

    from tests.demo_server import served

    with served(KACT_DEMO_USER="ada", KACT_DEMO_PASSWORD="engine") as address, httpx.Client(base_url=address) as http:
        assert http.get("/config").status_code == 401
        assert http.post("/gradio_api/call/tag", json={"data": ["a"]}).status_code == 401
        assert http.post("/login", data={"username": "ada", "password": "wrong"}).status_code == 400
        assert http.post("/login", data={"username": "ada", "password": "engine"}).status_code == 200
        assert http.get("/config").status_code == 200
        assert http.get("/health").status_code == 200
