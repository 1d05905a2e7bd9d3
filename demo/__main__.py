"""`python -m demo`: start the page and print its address. Nothing is asked of any other host."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kact.backend import select_default
from kact.errors import KactError


def main(arguments: Sequence[str]) -> int:
    """Serve the page until Ctrl-C."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    given = parse(arguments)
    try:
        page = start(**vars(given))
    except (KactError, OSError) as error:
        print(f"kact: {error}", file=sys.stderr)
        return 2
    page.block_thread()
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the settings that the flags describe."""
    parser = argparse.ArgumentParser("python -m demo", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets other machines in")
    parser.add_argument("--port", type=int, default=7860, help="0 takes any that is free")
    parser.add_argument(
        "--runs", type=Path, action="append", default=[], metavar="DIR", help="more models: your own runs"
    )
    parser.add_argument(
        "--results", type=Path, action="append", default=[], metavar="DIR", help="more results: studies"
    )
    given = parser.parse_args(arguments)
    folders = [("--runs", one) for one in given.runs] + [("--results", one) for one in given.results]
    for flag, value in [("--port", given.port), *folders]:
        if isinstance(value, list):  # what argparse makes of `--port=--`
            parser.error(f"argument {flag}: expected one argument")
    return given


def start(host: str, port: int, runs: Sequence[Path], results: Sequence[Path], quiet: bool = False) -> Any:
    """Start the page in threads of its own and return its Gradio blocks.

    Raises:
        KactError: for a port or a folder that there is not, or half of the credentials.
        OSError: if the port is taken.
    """
    if not 0 <= port <= 65_535:
        raise KactError.parameter("port", port, "a number from 0 to 65,535")
    for folder in [*runs, *results]:
        if not folder.is_dir():
            raise KactError(f"There is no folder '{folder}'.", "Give one that holds run directories, or reports.")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # and no look-up of newer versions
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several answers at once rather than one with several threads
    select_default()
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from demo import app, serving, uploads
    from demo.models import BOX, Catalogue
    from demo.results import DOCS, find_reports

    catalogue = Catalogue([BOX, *runs])

    async def health(request: Any) -> JSONResponse:
        usable = [one for one in catalogue.entries.values() if not one.problem]
        loaded = sum(one.loaded for one in usable)
        broken = len(catalogue.entries) - len(usable)
        ready = loaded == len(usable)
        facts = {"status": "ready" if ready else "loading", "models": len(usable), "loaded": loaded, "broken": broken}
        return JSONResponse(facts, 200 if ready else 503)

    page = app.build(catalogue, find_reports([DOCS, *results]))
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
    threading.Thread(target=catalogue.load_all, name="models", daemon=True).start()
    if not quiet:
        print(f"kact's page is at {page.local_url} (health: {page.local_url}health); Ctrl-C stops it.", flush=True)
    return page


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
