"""What the page's buttons do: pictures, texts and specs in, HTML or plain values out. Nothing here knows of Gradio.

>>> from demo.models import BOX, Catalogue
>>> [one["tag"] for one in tag_values(Catalogue([BOX]), "so cool", "tweets-relu")[0]]
['R', 'A']
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from demo import figures, pictures
from demo.familiarity import SHARE, features_of
from demo.knobs import MOST_CURVES, safe_spec
from demo.models import Catalogue, Entry
from demo.pages import percent, render
from kact import KactError, activations, curves, tasks

if TYPE_CHECKING:
    from PIL import Image

    from kact.predict import Prediction, TaggedToken

MOST_LOOKS, MOST_TAGGERS = 4, 2
LONGEST_TEXT, MOST_LINES = 10_000, 100
FARTHEST = 50.0  # that the page draws curves to, from zero


@dataclass(frozen=True)
class Look:
    """What one network says of a picture.

    Attributes:
        entry: the network.
        prediction: its classes with their probabilities.
        familiar: whether the picture is like those of its training; None where the run has no rule for it.
        seen: `(height, width, channels)`, in [0, 255]: what it saw.
        maps: `(height, width, maps)`, of its last convolution; None where it has none.
    """

    entry: Entry
    prediction: Prediction
    familiar: bool | None
    seen: np.ndarray
    maps: np.ndarray | None


def look(catalogue: Catalogue, picture: Image.Image, keys: Sequence[str]) -> list[Look]:
    """Return what each network says of a picture.

    Args:
        catalogue: of the page.
        picture: of any mode and size.
        keys: names of one to four networks for images.

    Raises:
        KactError: for no name, too many, or one that is not there.
    """
    found = []
    for entry in _chosen(catalogue, keys, "image", MOST_LOOKS):
        with entry.lock:
            predictor = entry.predictor()
            small = pictures.to_image(predictor.prepare(picture))  # its own size: the rest is made from this alone
            prediction = predictor.predict([small])[0]
            try:
                maps: np.ndarray | None = predictor.feature_maps([small])[1]
            except KactError:  # a network without a convolution
                maps = None
        familiar = None
        if entry.familiarity is not None and maps is not None:
            familiar = bool(entry.familiarity.distance(features_of(maps))[0] <= entry.familiarity.limit)
        seen = np.asarray(small).reshape(*predictor.task.input_shape)
        found.append(Look(entry, prediction, familiar, seen, None if maps is None else maps[0]))
    return found


def look_page(catalogue: Catalogue, picture: Image.Image, keys: Sequence[str]) -> str:
    """Return the HTML of `look`."""
    looks = look(catalogue, picture, keys)
    labels = {one.prediction.label for one in looks}
    summary = ""
    if len(looks) > 1:
        names = " and ".join(sorted(labels))
        summary = f"All of them say {names}." if len(labels) == 1 else f"They do not agree: {names}."
    return render("looks.html", looks=[_look(one) for one in looks], agreed=len(labels) == 1, summary=summary)


def _look(one: Look) -> dict[str, Any]:
    shown = 0 if one.maps is None else min(one.maps.shape[-1], pictures.MOST_MAPS)
    rule = one.entry.familiarity
    return {
        "title": one.entry.title,
        "label": one.prediction.label,
        "probability": one.prediction.probability,
        "ranked": list(one.prediction.probabilities.items()),
        "familiar": one.familiar,
        "false_alarms": rule.flagged.get("test", SHARE) if rule else 0.0,
        "seen": pictures.data_uri(pictures.to_image(one.seen)),
        "size": f"{one.seen.shape[1]}×{one.seen.shape[0]}",
        "maps": "" if one.maps is None else pictures.data_uri(pictures.map_sheet(one.maps)),
        "maps_shown": shown,
        "maps_count": 0 if one.maps is None else one.maps.shape[-1],
        "maps_scale": "" if one.maps is None else pictures.scale_in_words(one.maps),
    }


def look_values(catalogue: Catalogue, picture: Image.Image, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return `look` as plain values: model, label, probability, probabilities and familiar of each network."""
    return [
        {
            "model": one.entry.key,
            "label": one.prediction.label,
            "probability": one.prediction.probability,
            "probabilities": one.prediction.probabilities,
            "familiar": one.familiar,
        }
        for one in look(catalogue, picture, keys)
    ]


def tag(catalogue: Catalogue, text: str, keys: Sequence[str]) -> list[tuple[Entry, list[list[TaggedToken]]]]:
    """Return the tagged lines of a text, by each network; blank lines are left out.

    Args:
        catalogue: of the page.
        text: at most 10,000 characters and 100 lines, each line a tweet.
        keys: names of one or two taggers.

    Raises:
        KactError: for a text that is empty or too long, or a name that is not there.
    """
    lines = [line for line in _within_limits(text).splitlines() if line.strip()]
    found = []
    for entry in _chosen(catalogue, keys, "words", MOST_TAGGERS):
        with entry.lock:
            found.append((entry, [line for line in entry.predictor().tag(lines) if line]))
    if not any(lines for _, lines in found):
        raise KactError("There is no word in this text.", "Write a line, or choose an example.")
    return found


def tag_page(catalogue: Catalogue, text: str, keys: Sequence[str], probabilities: bool = False) -> tuple[str, str]:
    """Return the HTML of `tag`, and the same as tab-separated values."""
    tagged = tag(catalogue, text, keys)
    sides = [lines for _, lines in tagged]
    same = [
        [len({one.tag for one in tokens}) == 1 for tokens in zip(*lines, strict=True)]
        for lines in zip(*sides, strict=True)
    ]
    columns = [
        {
            "title": entry.title,
            "lines": [
                [
                    {"token": one.token, "tag": one.tag, "probability": one.probability, "differs": not alike}
                    for one, alike in zip(line, marks, strict=True)
                ]
                for line, marks in zip(lines, same, strict=True)
            ],
        }
        for entry, lines in tagged
    ]
    count, different = sum(map(len, same)), sum(not one for marks in same for one in marks)
    words = f"{count:,} {'token' if count == 1 else 'tokens'}"
    summary = words + "." if len(tagged) == 1 else f"{words}; {different:,} tagged differently."
    table = tab_separated(tagged)
    page = render(
        "tagged.html",
        columns=columns,
        probabilities=probabilities,
        summary=summary,
        legend=_used(sides),
        tsv=f"data:text/tab-separated-values;charset=utf-8;base64,{base64.b64encode(table.encode()).decode()}",
    )
    return page, table


def tab_separated(tagged: Sequence[tuple[Entry, list[list[TaggedToken]]]]) -> str:
    """Return tagged lines as tab-separated values with a header, a blank line between tweets."""
    names = [entry.key for entry, _ in tagged]
    rows = ["\t".join(["token", *(f"{part} {name}" for name in names for part in ("tag", "probability"))])]
    for lines in zip(*(lines for _, lines in tagged), strict=True):
        for tokens in zip(*lines, strict=True):
            parts = [part for one in tokens for part in (one.tag, f"{one.probability:.4f}")]
            rows.append("\t".join([tokens[0].token, *parts]))
        rows.append("")
    return "\n".join(rows)


def tag_values(catalogue: Catalogue, text: str, key: str) -> list[list[dict[str, Any]]]:
    """Return `tag` by one network as plain values: token, tag, meaning and probability, line by line."""
    from demo.tags import meaning

    return [
        [
            {"token": one.token, "tag": one.tag, "meaning": meaning(one.tag), "probability": one.probability}
            for one in line
        ]
        for line in tag(catalogue, text, [key])[0][1]
    ]


def _used(sides: Sequence[list[list[TaggedToken]]]) -> list[str]:
    from demo.tags import TAGS

    used = {one.tag for lines in sides for line in lines for one in line}
    return [tag for tag in TAGS if tag in used] + sorted(used - set(TAGS))


def _within_limits(text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        raise KactError("There is no text.", "Write a line, or choose an example.")
    if len(text) > LONGEST_TEXT:
        raise KactError(
            f"The text has {len(text):,} characters; at most {LONGEST_TEXT:,} are tagged at once.", "Give it in parts."
        )
    if len(text.splitlines()) > MOST_LINES:
        raise KactError(f"The text has more than {MOST_LINES} lines.", "Give it in parts.")
    return text


def _chosen(catalogue: Catalogue, keys: object, kind: str, most: int) -> list[Entry]:
    given = [keys] if isinstance(keys, str) else keys if isinstance(keys, list | tuple) else []
    names = list(dict.fromkeys(map(str, given)))
    if not names:
        raise KactError("No model is chosen.", "Choose one.")
    if len(names) > most:
        raise KactError(f"At most {most} models are compared at once.", "Choose fewer.")
    return [catalogue.get(name, kind) for name in names]


def curve_page(specs: Sequence[str], low: float = -5.0, high: float = 5.0) -> str:
    """Return the HTML of up to five activation functions: curves, derivatives, formulas.

    Raises:
        KactError: for no spec, too many, an unusable one, or ends that are out of order or too far out.
    """
    sampled = _sampled(specs, low, high)
    cards = []
    for (spec, curve), colour in zip(sampled.items(), figures.COLOURS, strict=False):
        record, parameters = activations.resolve(spec)
        given = ", ".join(f"{name} = {value:g}" for name, value in parameters.items())
        cards.append(
            {
                "spec": spec,
                "colour": colour,
                "formula": f"{record.formula}   ({given})" if given else record.formula,
                "source": record.source,
                "initializer": record.initializer,
                "lowest": curve.y.min(),
                "highest": curve.y.max(),
                "most_slope": curve.slope.max(),
                "least_slope": curve.slope.min(),
            }
        )
    return render("activations.html", cards=cards, svg=Markup(figures.curves_svg(sampled)))


def curve_values(spec: str, low: float = -5.0, high: float = 5.0, points: int = 101) -> dict[str, Any]:
    """Return one activation as plain values: its canonical spec, formula, source, x, y and slope."""
    name = safe_spec(spec)
    curve = curves.sample(name, *_ends(low, high), min(int(points), 2_001))
    record, parameters = activations.resolve(name)
    described = {"spec": name, "formula": record.formula, "source": record.source, "parameters": parameters}
    return {**described, "x": curve.x.tolist(), "y": curve.y.tolist(), "slope": curve.slope.tolist()}


def _sampled(specs: object, low: float, high: float) -> dict[str, curves.Curve]:
    given = [specs] if isinstance(specs, str) else list(specs) if isinstance(specs, list | tuple) else []
    names = list(dict.fromkeys(safe_spec(spec) for spec in given[: 4 * MOST_CURVES]))
    if not names:
        raise KactError("No activation is chosen.", "Choose one, or type a spec such as elu(alpha=2).")
    if len(names) > MOST_CURVES:
        raise KactError(f"At most {MOST_CURVES} activations are compared at once.", "Choose fewer.")
    return {name: curves.sample(name, *_ends(low, high)) for name in names}


def _ends(low: object, high: object) -> tuple[float, float]:
    numbers = [float(one) for one in (low, high) if isinstance(one, int | float) and math.isfinite(one)]
    if len(numbers) != 2 or not -FARTHEST <= numbers[0] < numbers[1] <= FARTHEST:
        raise KactError(f"The ends must be two numbers in order, within ±{FARTHEST:g}.")
    return numbers[0], numbers[1]


def models_page(catalogue: Catalogue) -> str:
    """Return the HTML of all networks, usable or not."""
    entries = list(catalogue.entries.values())
    known = [tasks.get_record(name) for name in dict.fromkeys(one.task for one in entries if one.boxed and one.task)]
    return render("models.html", entries=entries, tasks=known)


def models_values(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Return the networks as plain values: key, task, kind, network, activation, accuracy and problem of each."""
    names = ("key", "task", "kind", "network", "activation", "accuracy", "parameters", "problem")
    return [{name: getattr(one, name) for name in names} for one in catalogue.entries.values()]


def models_choices(catalogue: Catalogue, kind: str) -> list[tuple[str, str]]:
    """Return (words, key) of each usable network of a kind."""
    return [
        (f"{one.title} ({percent(one.accuracy)})" if one.accuracy is not None else one.title, one.key)
        for one in catalogue.usable(kind)
    ]
