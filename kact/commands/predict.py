"""`kact predict`: label images, or tag words, with a trained run."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from kact.errors import KactError
from kact.flags import Flag, call

if TYPE_CHECKING:
    from kact.predict import Prediction, TaggedToken
    from kact.runs import Run


def main(arguments: list[str]) -> int:
    """Run `kact predict` and return its exit code."""

    def predict(
        run: Annotated[str, Flag("directory of a finished run", "RUN", positional=True)],
        images: Annotated[
            tuple[str, ...],
            Flag(
                "images, or folders of them, scored where they are of classes; for a tagger "
                "files with a text a line, or - for standard input",
                "FILE ...",
                positional=True,
            ),
        ] = (),
        text: Annotated[tuple[str, ...], Flag("a text to tag", "TEXT", repeated=True)] = (),
        test: Annotated[int, Flag("label the first so many test images of its task too, beside their true labels")] = 0,
        gold: Annotated[str | None, Flag("score a tagger on `token TAB tag` lines instead", "FILE")] = None,
        json_: Annotated[bool, Flag("print one JSON object a line", name="json")] = False,
        top: Annotated[int, Flag("labels to print an image")] = 3,
    ) -> int:
        """Label images with the model of a trained run, likeliest first; or tag the words of texts."""
        from kact.predict import Predictor

        if not images and not text and not test and gold is None:
            raise KactError("There is nothing to predict.", 'Give image files, --test 5, or --text "..." for a tagger.')
        if test < 0:
            raise KactError.parameter("--test", test, "a number of images, at least 1")
        predictor = Predictor(run)
        if gold is not None:
            _print_scores(predictor.score_tagged(gold), json_)
            return 0
        if test and predictor.task.input == "words":
            raise KactError("--test is of runs that label images.", "Score a tagger with --gold FILE.")
        if text and predictor.task.input != "words":
            raise KactError(f"--text is of runs that tag words; '{run}' labels images.", "Give image files.")
        if predictor.task.input == "words":
            texts = [*text, *(line for file in images for line in _lines(file))]
            _print_tagged(texts, predictor.tag(texts), json_)
            return 0
        files = [file for image in images for file in _images(image)]  # before Keras is loaded and the network built
        told = []
        for file, found in zip(files, predictor.predict(files), strict=True):
            told.append((file, found, _class_of(file, images, predictor.task.labels)))
        of_test = predictor.predict_test(test) if test else []
        told += [(f"test {number}", found, truth) for number, (found, truth) in enumerate(of_test)]
        for name, found, truth in told:
            _print_labels(name, found, top, json_, truth)
        known = [found.label == truth for _, found, truth in told if truth is not None]
        if len(known) > 1 and not json_:
            print(f"{sum(known):,} of {len(known):,} right")
            if own := _of_own_data(files, predictor.run):
                print(own)
        return 0

    return call(predict, arguments, "kact predict")


def _images(given: str) -> list[str]:
    """Return an image file, or the images in a folder and those below it, by the ends of their names.

    Raises:
        KactError: if there is no such file or folder, or no image in it.
    """
    path = Path(given)
    if not path.exists():
        raise KactError(f"There is no file '{given}'.", "Give the path of an image file, or of a folder of images.")
    if not path.is_dir():
        return [given]
    from PIL import Image

    from kact.tasks.image_files import files_below

    ends = Image.registered_extensions()
    found = [str(file) for file in files_below(path) if file.suffix.lower() in ends]
    if not found:
        raise KactError(f"There is no image in the folder '{given}'.", "Give another folder, or image files.")
    return found


def _class_of(file: str, given: Sequence[str], labels: Sequence[str]) -> str | None:
    """Return the label that a file's folder is called by, in a given folder of classes; None where it is none."""
    name = Path(file).parent.name
    return name if name in labels and file not in given else None


def _of_own_data(files: Sequence[str], run: "Run") -> str:
    """Return a warning where images are of the data that a run learned from; "" where none is, or of its test alone."""
    root = Path(run.experiment.data or "").resolve()
    if run.experiment.data is None or not root.is_dir():
        return ""
    below = [path.relative_to(root) for path in (Path(file).resolve() for file in files) if path.is_relative_to(root)]
    learned = [path for path in below if path.parts[0].lower() != "test"]
    if not learned:
        return ""
    scores = run.metrics["test"]
    score = f" On its test images it has accuracy {scores['accuracy']:.4f}: --test 5 shows some." if scores else ""
    return f"This is no test: {len(learned):,} of them lie in '{root}', which the run learned from.{score}"


def _print_labels(image: str, found: "Prediction", top: int, as_json: bool, truth: str | None = None) -> None:
    """Print the likeliest labels of an image, and whether they are right, in a line or as one JSON object."""
    if as_json:
        known = {} if truth is None else {"truth": truth}
        print(json.dumps({"image": image, **known, "label": found.label, "probabilities": found.probabilities}))
        return
    ranked = list(found.probabilities.items())[: max(top, 1)]
    told = ", ".join(f"{label} ({probability:.3f})" for label, probability in ranked)
    verdict = "" if truth is None else "  right" if truth == found.label else f"  wrong: it is {truth}"
    print(f"{image}: {told}{verdict}")


def _lines(file: str) -> list[str]:
    """Return the lines of a text file, or of standard input for "-"."""
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise KactError(f"Line {line} of '{file}' is not UTF-8 text.", "Save the file as UTF-8.") from None
    except OSError as error:
        raise KactError(
            f"Cannot read '{file}': {error.strerror}.", "Give a text file, or - for standard input."
        ) from None


def _print_tagged(texts: Sequence[str], found: "Sequence[Sequence[TaggedToken]]", as_json: bool) -> None:
    """Print token, tag and probability a line, with a blank line after each text; or one JSON object a text."""
    for text, tokens in zip(texts, found, strict=True):
        if as_json:
            print(json.dumps({"text": text, "tokens": [dataclasses.asdict(one) for one in tokens]}))
            continue
        for one in tokens:
            print(f"{one.token}\t{one.tag}\t{one.probability:.4f}")
        print()


def _print_scores(scores: dict[str, Any], as_json: bool) -> None:
    """Print a tagger's scores on gold tags, in a line or as one JSON object."""
    if as_json:
        print(json.dumps(scores))
        return
    print(
        f"accuracy {scores['accuracy']:.4f} of {scores['examples']:,} tokens  loss {scores['loss']:.4f}"
        f"  macro F1 {scores['f1']:.4f}  sentences without an error {scores['sequence_accuracy']:.4f}"
        f" of {scores['sentences']:,}"
    )
    if scores["unknown_tags"]:
        named = ", ".join(f"{tag} ({count})" for tag, count in scores["unknown_tags"].items())
        print(f"wrong in any case, as the run knows no such tags: {named}")
