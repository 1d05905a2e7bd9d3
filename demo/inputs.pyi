"""The picture input: Gradio's, but for what comes in, which is left as the file that it is.

Gradio would decode it itself and put a temporary path into the error, and would fetch an address that is given in place
of a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder

_NO_ADDRESSES = "Send the picture itself: addresses are not fetched."

class Picture(gr.Image):
    """An input for pictures that gives the path of what was uploaded, pasted or taken."""

    is_template = True  # the page draws it as what it is made from

    # Gradio reads the constructor's signature, so it stays as it is.

    @classmethod
    def make(cls, label: str, **options: Any) -> Picture:
        """Return an input for a file, a paste or the webcam."""
        return cls(label=label, type="filepath", sources=["upload", "clipboard", "webcam"], buttons=[], **options)

    @staticmethod
    def folder() -> Path:
        """Return the folder that uploads are kept in."""
        return Path(get_upload_folder())

    def preprocess(self, payload: ImageData | None) -> str | None:
        """Return the path of an upload, or None."""
        if payload is None:
            return None
        if payload.path is None or (payload.url or "").startswith("data:"):
            raise gr.Error("Upload the picture as a file.", print_exception=False)
        return str(payload.path)

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        """Keep to files; see `gr.Image`."""
        if str(url_or_file_path).lower().startswith(("http:", "https:")):
            raise gr.Error(_NO_ADDRESSES, print_exception=False)
        return await super().async_move_resource_to_block_cache(url_or_file_path)
    from collections.abc import Callable, Sequence
    from typing import TYPE_CHECKING, Any, Literal

    from gradio.blocks import Block

    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
