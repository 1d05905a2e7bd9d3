"""A tiny experiment for every model, on data that it can be trained on: digits, made photographs or made sentences."""

from kact.experiment import Experiment
from kact.models import MODELS
from tests.corpus import write_parts
from tests.image_sets import make_folder

SIZES = {
    "mlp": {"hidden_units": [16, 8]},
    "cnn": {"filters": [4, 6], "hidden_units": [8]},
    "lenet": {"kernel_size": 2},  # LeNet's own kernel does not fit the 8x8 images of digits
    "alexnet": {"filters": [8, 8, 8, 8, 8], "hidden_units": [16, 16], "dense_dropout": 0.1},
    "window_tagger": {"hidden_units": [8], "word_units": 8, "character_filters": 4},
    "bilstm_tagger": {"lstm_units": 6, "hidden_units": [8], "word_units": 8, "character_filters": 4},
}
IMAGE_MODELS = tuple(name for name, model in MODELS.items() if model.input == "image")
TAGGERS = tuple(name for name, model in MODELS.items() if model.input == "words")


def small(name, folder, **changes):
    """Return an experiment with the model `name`; the data that is no task's own is written below `folder` once."""
    settings = {"batch_size": 64, "train_examples": 256}
    if name == "alexnet":
        if not (photographs := folder / "photographs").exists():
            make_folder(photographs, {"red": 24, "green": 24}, size=(70, 64), suffix="jpg")
        settings = {"task": "image_folder(image_size=63)", "data": str(photographs), "batch_size": 8}
    if name in TAGGERS:
        if not (words := folder / "words").exists():
            write_parts(words, train=48, dev=12, test=12)
        settings = {"task": "tagged_file", "data": str(words), "batch_size": 16}
    model = {"name": name, **SIZES.get(name, {})}
    return Experiment(**{**settings, "model": model, "learning_rate": 0.01, "epochs": 1, **changes})
