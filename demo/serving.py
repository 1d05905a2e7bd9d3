"""How the page is served: bounded in time and size, with words instead of tracebacks, and nothing asked of other hosts.

Gradio has more routes than this page needs; one of them fetches any address, another copies files. Only those in
`ROUTES` are let through.
"""

from __future__ import annotations

import concurrent.futures
import functools
import html
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from kact import KactError

SLOWEST_SECONDS = 20.0  # that a request may take
LARGEST_BODY_BYTES = 11 * 2**20  # a picture of 10 MB and what is around it
WORKERS = 4

ROUTES = (
    "/", "/config", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json", "/login", "/logout", "/health",
    "/assets/", "/static/", "/svelte/", "/gradio_api/info", "/gradio_api/queue/", "/gradio_api/upload",
    "/gradio_api/upload_progress", "/gradio_api/file=", "/gradio_api/heartbeat/", "/gradio_api/call/",
    "/gradio_api/cancel", "/gradio_api/reset", "/gradio_api/startup-events", "/gradio_api/login_check",
    "/gradio_api/token", "/gradio_api/user", "/gradio_api/app_id", "/gradio_api/theme.css",
)  # fmt: skip

_HEADERS = {
    # The page's own scripts and pictures, and nobody else's. Gradio evaluates templates of its own.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' data: blob:; connect-src 'self' data: blob:; "
        "font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
        "frame-ancestors 'self' https://huggingface.co"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}

_log = logging.getLogger(__name__)
_workers = concurrent.futures.ThreadPoolExecutor(WORKERS, thread_name_prefix="answer")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]


def bounded(function: Callable[..., Any], refused: Callable[[str], Any] | None = None) -> Callable[..., Any]:
    """Return a function for Gradio: stopped waiting for after `SLOWEST_SECONDS`, and every error told in words.

    Args:
        function: that answers.
        refused: from the words, as HTML, to what is shown in place of the answer. If None, Gradio's error is raised:
            it reaches programs, but leaves an older answer on the page.
    """
    import gradio as gr

    @functools.wraps(function)
    def told(*given: Any) -> Any:
        work = _workers.submit(function, *given)
        try:
            return work.result(SLOWEST_SECONDS)
        except concurrent.futures.TimeoutError:
            work.cancel()
            message = "This took too long, so it was given up. Try something smaller, or try again later."
        except KactError as error:
            message = str(error)
        except Exception:  # whatever it is, no word of it may reach the page
            _log.exception("a request failed")
            message = "Something went wrong here, which is not your fault. It is noted."
        words = html.escape(message, quote=False)  # Gradio shows a message as HTML
        if refused is not None:
            return refused(words)
        raise gr.Error(words, duration=8, print_exception=False) from None

    return told


class Guard:
    """ASGI middleware: known routes only, bodies of a bounded size, and headers that keep the page to itself.

    Args:
        app: what is guarded.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Callable[[], Awaitable[Message]], send: Any) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not allowed(path):
            return await _answer(send, 404, b"There is nothing here.")
        if not length.isdigit() or int(length) > LARGEST_BODY_BYTES:
            return await _answer(send, 413, b"This is larger than 10 MB.")
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY_BYTES:  # sent in chunks without a length
                return {"type": "http.disconnect"}
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() != b"server"]
                message["headers"] = kept + [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
            await send(message)

        await self.app(scope, counted, with_headers)


def allowed(path: str) -> bool:
    """Whether a path is one that the page needs.

    >>> allowed("/gradio_api/proxy=https://example.org"), allowed("/gradio_api/file=http://example.org"), allowed("/")
    (False, False, True)
    """
    if path.startswith("/gradio_api/file="):
        return "://" not in path and not path.startswith("/gradio_api/file=http")
    return path in ROUTES or any(path.startswith(one) for one in ROUTES if one.endswith("/") and one != "/")


async def _answer(send: Any, status: int, words: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(words)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words})


def credentials() -> tuple[str, str] | None:
    """Return the user and the password that the environment asks for, or None where it asks for none.

    Raises:
        KactError: if only one of the two is set.
    """
    user, password = os.environ.get("KACT_DEMO_USER", ""), os.environ.get("KACT_DEMO_PASSWORD", "")
    if bool(user) != bool(password):
        raise KactError("Of KACT_DEMO_USER and KACT_DEMO_PASSWORD only one is set.", "Set both, or neither.")
    return (user, password) if user else None
