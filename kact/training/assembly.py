"""What an experiment is put together from: its data, its network and the batches of each epoch.

>>> from kact.experiment import Experiment
>>> experiment = Experiment(task="digits", model={"name": "mlp", "hidden_units": [16]})
>>> build_network(experiment, load_arrays_of(experiment))[0].count_params()
1210
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from kact.experiment import Experiment
from kact.models import Tagger, build_tagger
from kact.tasks import TaggedData, TaskData, load_task
from kact.text.encoded import EncodedData, encode_data
from kact.transfer import layer_settings, starting_model

if TYPE_CHECKING:
    import keras

    from kact.tasks.batches import EpochBatches
    from kact.text.token_batches import TokenBatches


def load_arrays_of(experiment: Experiment) -> TaskData | EncodedData:
    """Return the splits of an experiment's task as arrays; tagged sentences encoded as its model wants them.

    Raises:
        KactError: if the data, or something that the model looks words up in, is missing or unusable.
    """
    data = load_task(
        experiment.task,
        validation_fraction=experiment.validation_fraction,
        train_examples=experiment.train_examples,
        train_on=experiment.train_on,
        data=experiment.data,
    )
    return encode_data(data, cast(Tagger, experiment.model)) if isinstance(data, TaggedData) else data


def build_network(experiment: Experiment, data: TaskData | EncodedData) -> tuple[keras.Model, str | None]:
    """Build an experiment's Keras model for its data, with its initial weights.

    Returns:
        The model, and the digest of its backbone's weights if it has one.
    """
    if not isinstance(data, EncodedData):
        return starting_model(experiment, data.task)
    model = cast(Tagger, experiment.model)
    return build_tagger(model, data.vocabulary.inputs, len(data.task.labels), **layer_settings(experiment)), None


def epoch_batches(experiment: Experiment, data: TaskData | EncodedData, epoch: int) -> EpochBatches | TokenBatches:
    """Return the training batches of an epoch, counted from 0, which depend on (seed, epoch) alone."""
    from kact.tasks.batches import EpochBatches
    from kact.text.token_batches import TokenBatches

    size, seed = experiment.batch_size, experiment.seed
    if isinstance(data, EncodedData):
        model = cast(Tagger, experiment.model)
        hidden = model.word_dropout, model.cluster_dropout
        return TokenBatches(data.train, len(data.task.labels), size, *hidden, seed, epoch)
    return EpochBatches(data.train, size, experiment.augment, seed, epoch)
