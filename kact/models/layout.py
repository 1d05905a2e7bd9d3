"""What network a model of one's own lays out, as a few plain values by which a run knows its class again.

>>> from kact.models import MLP
>>> layout_of(MLP(), (8, 8, 1))  # kact's own change with kact's version alone
{}
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kact.errors import KactError
from kact.models import build_model, build_tagger
from kact.models.model import Model, is_own
from kact.models.tagger import Tagger

if TYPE_CHECKING:
    import keras

_LABELS = 3
_SHARED: dict[str, Any] = {"batch_norm": True, "dropout": 0.1}  # so that where they go is seen
_FEATURES = {  # of a token, few of each; `kact.text.vocabulary` has the real ones
    name: SimpleNamespace(width=width, rows=rows)
    for name, width, rows in (
        ("word", None, 9), ("affixes", 7, 9), ("shape", None, 9), ("spelling", 2, 0), ("count", 1, 0)
    )
}  # fmt: skip


def layout_of(model: Model, input_shape: Sequence[int]) -> dict[str, Any]:
    """Return a digest of a model of one's own, of its layers and their connections, and what it was made with.

    Args:
        model: of any kind.
        input_shape: `(height, width, channels)` of its images; of a tagger nothing is asked.

    Returns:
        Plain values; none for a model of kact's, and for one whose layers cannot be told or are not the same each time.

    Raises:
        KactError: if a model for images cannot be built.
    """
    if not is_own(type(model)):
        return {}
    shape = [] if isinstance(model, Tagger) else list(input_shape)
    try:
        once, twice = (_digest(_built(model, shape)) for _ in range(2))
    except KactError:
        if isinstance(model, Tagger):  # it may want features that are not among these
            return {}
        raise
    except Exception:  # of whatever kind: a layer of somebody's own may say nothing of itself
        return {}
    versions = {package: importlib.metadata.version(package) for package in ("keras", "kact")}
    return {**versions, "input_shape": shape, "layers": once} if once == twice else {}


def same_layout(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether a model may be what it was; digests of other versions, of other images, or none, tell nothing.

    Example:
        >>> old, new = {"keras": "3.15.1", "layers": "1a"}, {"keras": "3.15.1", "layers": "2b"}
        >>> same_layout(old, new), same_layout({**old, "keras": "3.14.0"}, new)
        (False, True)
    """
    comparable = {**before, "layers": ""} == {**now, "layers": ""}
    return not comparable or before.get("layers") == now.get("layers")


def _built(model: Model, input_shape: Sequence[int]) -> keras.Model:
    if isinstance(model, Tagger):
        return build_tagger(model, _FEATURES, _LABELS, **_SHARED)
    return build_model(model, input_shape, _LABELS, **_SHARED)


def _digest(network: keras.Model) -> str:
    """Return a digest of a network's config, in which Keras' counters behind names (`add_3`) say nothing."""
    config = network.get_config()
    numbers = {name: f"#{number}" for number, name in enumerate(dict.fromkeys(_names(config)))}

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [plain(one) for one in value]
        return numbers.get(value, value) if isinstance(value, str) else value

    return hashlib.sha256(json.dumps(plain(config), sort_keys=True, default=repr).encode()).hexdigest()[:16]


def _names(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if isinstance(config.get("config"), dict) and isinstance(name := config["config"].get("name"), str):
            yield name
        for one in config.values():
            yield from _names(one)
    elif isinstance(config, list | tuple):
        for one in config:
            yield from _names(one)
