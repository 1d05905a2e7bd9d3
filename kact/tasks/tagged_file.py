"""tagged_file: one's own tagged sentences, in a file or in a folder of train, dev and test files.

Lines are `token TAB tag`, a blank line ends a sentence. In a folder, a file's part is its name without the suffix, or
its suffix (`train.txt`, `oct27.train`); parts that are not there are cut from train by sentence, with a fixed seed.

>>> TAGGED_FILE.needs_data
True
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from kact.errors import KactError
from kact.tasks.tagging import Sentences, TaggedParts, TaggingTask, read_tagged

_PARTS = {"train": "train", "dev": "validation", "valid": "validation", "validation": "validation", "test": "test"}


def _read(data: Path | None) -> TaggedParts:
    if data is None:
        raise KactError("The task 'tagged_file' needs the place of its data.", "Add --data FILE_OR_FOLDER.")
    if not data.is_dir():
        sentences, digest = read_tagged(data)
        return TaggedParts(sentences, None, None, digest)
    parts: dict[str, Sentences] = {}
    digests = []
    for part, path in sorted(_files(data).items()):
        parts[part], digest = read_tagged(path)
        digests.append(f"{part} {digest}")
    return TaggedParts(
        parts["train"],
        parts.get("validation"),
        parts.get("test"),
        hashlib.sha256("\n".join(digests).encode()).hexdigest(),
    )


def _files(folder: Path) -> dict[str, Path]:
    """Return the file of each part that a folder holds."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        part = _PARTS.get(path.stem.lower()) or _PARTS.get(path.suffix[1:].lower())
        if part is None or not path.is_file():
            continue
        if part in found:
            raise KactError(
                f"'{folder}' holds two files for {part}: '{found[part].name}' and '{path.name}'.", "Keep one."
            )
        found[part] = path
    if "train" not in found:
        raise KactError(
            f"The folder '{folder}' holds no train file.",
            "Name the files train.txt, dev.txt and test.txt, or give one file.",
        )
    return found


TAGGED_FILE = TaggingTask(
    name="tagged_file",
    summary="one's own file or folder of `token TAB tag` lines: --data PLACE",
    source="one's own",
    licence="one's own",
    labels=(),
    version="1",
    default_model="bilstm_tagger",
    needs_data=True,
    read=_read,
)
