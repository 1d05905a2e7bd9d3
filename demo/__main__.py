"""`python -m demo`: start the page and print its address. Nothing is asked of any other host."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from kact.backend import select_default
from kact.command_line import guarded
from kact.errors import KactError, shown
from kact.flags import Flag, call

_ABOUT = """Start the page and print its address. Nothing is asked of any other host.
  python -m demo                                  the models in the box, and kact's own results
  python -m demo --runs runs --results runs       with your own runs and studies
"""


def main(arguments: Sequence[str]) -> int:
    """Serve the page until Ctrl-C."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")

    def serve(
        host: Annotated[str, Flag("address to listen on; 0.0.0.0 lets other machines in")] = "127.0.0.1",
        port: Annotated[int, Flag("0 takes any that is free")] = 7860,
        runs: Annotated[tuple[Path, ...], Flag("more models: your own runs", "DIR", repeated=True)] = (),
        results: Annotated[tuple[Path, ...], Flag("more results: studies", "DIR", repeated=True)] = (),
        own_code: Annotated[
            bool, Flag("also use runs with an activation or a model of your own, which is imported from this folder")
        ] = False,
    ) -> int:
        start(host, port, runs, results, own_code=own_code).block_thread()
        return 0

    return guarded(lambda: call(serve, arguments, "python -m demo", _ABOUT))


def start(
    host: str,
    port: int,
    runs: Sequence[Path],
    results: Sequence[Path],
    quiet: bool = False,
    own_code: bool = False,
) -> Any:
    """Start the page in threads of its own and return its Gradio blocks.

    Raises:
        KactError: for a port or a folder that there is not, a port that is taken, or half of the credentials.
    """
    if not 0 <= port <= 65_535:
        raise KactError.parameter("port", port, "a number from 0 to 65,535")
    for folder in [*runs, *results]:
        if not folder.is_dir():
            raise KactError(f"There is no folder '{folder}'.", "Give one that holds run directories, or reports.")
    _check_free(host, port)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # and no look-up of newer versions
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several answers at once rather than one with several threads
    select_default()
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from demo import app, serving, uploads
    from demo.models import BOX, Catalogue
    from demo.results import HOUSE, find_reports

    catalogue = Catalogue([BOX, *runs], own_code)

    async def health(request: Any) -> JSONResponse:
        usable = [one for one in catalogue.entries.values() if not one.problem]
        loaded = sum(one.loaded for one in usable)
        broken = len(catalogue.entries) - len(usable)
        ready = loaded == len(usable)
        facts = {"status": "ready" if ready else "loading", "models": len(usable), "loaded": loaded, "broken": broken}
        return JSONResponse(facts, 200 if ready else 503)

    page = app.build(catalogue, find_reports([*results, *HOUSE]))
    try:
        page.launch(
            server_name=host,
            server_port=port or None,
            auth=serving.credentials(),
            share=False,
            inbrowser=False,
            quiet=True,
            prevent_thread_lock=True,
            show_error=False,
            ssr_mode=False,
            pwa=False,
            run_history=False,
            mcp_server=False,
            max_file_size=uploads.LARGEST_BYTES,
            state_session_capacity=app.SESSIONS,
            footer_links=["api"],
            theme=app.THEME,
            css_paths=[app.CSS],
            app_kwargs={"middleware": [Middleware(serving.Guard)], "routes": [Route("/health", health)]},
        )
    except OSError:  # Gradio's own word for a port that another program took meanwhile
        raise _taken(port) from None
    threading.Thread(target=catalogue.load_all, name="models", daemon=True).start()
    if not quiet:
        print(f"kact's page is at {page.local_url} (health: {page.local_url}health); Ctrl-C stops it.", flush=True)
    return page


def _check_free(host: str, port: int) -> None:
    """Raise unless the page can listen there: known at once, where Gradio would be loaded for seconds before."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host.strip("[]") or None, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            if os.name == "posix":  # a page that was just stopped holds no port; elsewhere the option shares one
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _taken(port) from None
        reason = f"{error.strerror or error}".rstrip(".")
        raise KactError(
            f"Cannot listen on port {port} of {shown(host)}: {reason}.", "Give another --port or --host."
        ) from None
    except UnicodeError:
        raise KactError(f"{shown(host)} is no address of a machine.", "Give one such as 127.0.0.1.") from None


def _taken(port: int) -> KactError:
    return KactError(f"Port {port} is taken.", "Give another --port; --port 0 takes a free one.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
