"""What both taggers share: how the features of a token become one vector, and the model around the hidden layers.

Inputs are named arrays, `(batch, time)` or `(batch, time, width)`, as `kact.text.vocabulary` makes them; a step whose
word is 0 is padding. Features and hidden layers after O. Owoputi et al. 2013 and, for the character convolution, X. Ma
and E. Hovy, End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF (2016).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kact import activations
from kact.models import initializers
from kact.models.model import Model
from kact.models.own import checked_features, failing_as_own
from kact.settings import setting
from kact.spec import choose

if TYPE_CHECKING:
    import keras

    from kact.models.blocks import Blocks

_EMBEDDED = {"word": "word_units", "clusters": "cluster_units", "affixes": "affix_units", "shape": "shape_units"}
_NUMBERS = ("spelling", "count", "cluster_count", "names")


@dataclass(frozen=True)
class Tagger(Model):
    """A model that gives each token of a sentence a tag: the sizes of its features, and what training hides of them."""

    input: ClassVar[str] = "words"
    task: ClassVar[str] = "twitter_pos"

    clusters: bool = setting(False, "use the Twitter word clusters (fetched, or laid in the manual folder)")
    name_lists: bool = setting(False, "use the lists of names (likewise)")
    word_units: int = setting(64, "units of a word's embedding", at_least=1)
    cluster_units: int = setting(24, "units of the embedding of each cluster prefix", at_least=1)
    affix_units: int = setting(16, "units of the embedding of each prefix and suffix", at_least=1)
    shape_units: int = setting(16, "units of the embedding of a word's shape", at_least=1)
    character_filters: int = setting(0, "filters of a convolution over characters; 0 for none", at_least=0)
    word_dropout: float = setting(
        1.0, "hide a word that train has n times with chance word_dropout / (word_dropout + n)", at_least=0
    )
    cluster_dropout: float = setting(0.1, "share of training tokens whose cluster is hidden", at_least=0, below=1)

    def hidden(self, x: keras.KerasTensor, blocks: Blocks, mask: Any = None) -> keras.KerasTensor:
        """Lay out all layers between a token's features and its logits.

        Args:
            x: symbolic features, `(batch, time, width)`, zero where there is no token.
            blocks: makes the layers, with the activation under study in them.
            mask: symbolic, `(batch, time)`, true where there is a token.

        Returns:
            Symbolic features, `(batch, time, units)`.
        """
        raise TypeError(f"{type(self).__name__} does not define hidden().")

    def embed(self, inputs: Mapping[str, Any], features: Mapping[str, Any], blocks: Blocks) -> list[Any]:
        """Return the parts of each token's vector, `(batch, time, width)` each.

        Args:
            inputs: symbolic inputs by name.
            features: their width and rows by name.
            blocks: of this model.
        """
        import keras
        from keras import ops

        parts = []
        for name, setting_name in _EMBEDDED.items():
            if name in inputs:
                units = getattr(self, setting_name)
                x = embedding(inputs[name], features[name].rows, units, blocks, name=name)
                if features[name].width is not None:
                    width = features[name].width * units
                    x = keras.layers.Reshape((-1, width), name=f"{name}_flat")(x)  # (batch, time, width·units)
                parts.append(x)
        if "characters" in inputs:
            x = embedding(inputs["characters"], features["characters"].rows, 16, blocks, name="characters")
            convolution = keras.layers.Conv2D(
                self.character_filters,
                (1, 3),
                padding="same",
                data_format="channels_last",
                name="characters_conv",
                **initializers.make(blocks.initializer, blocks.activation, 48, blocks.seed_of("characters_conv")),
            )
            x = blocks.activate(convolution(x), name="characters_conv")  # (batch, time, characters, filters)
            parts.append(ops.max(x, axis=2))
        parts += [inputs[name] for name in _NUMBERS if name in inputs]
        return parts


def embedding(x: Any, rows: int, units: int, blocks: Blocks, *, name: str) -> Any:
    """Look indices up in a table of `rows` vectors, uniform at the start and about 4 long (chosen on Oct27-dev)."""
    import keras

    limit = 4 * math.sqrt(3 / units)
    drawn = keras.initializers.RandomUniform(-limit, limit, seed=blocks.seed_of(name))
    return keras.layers.Embedding(rows, units, embeddings_initializer=drawn, name=f"{name}_embedding")(x)


def build_tagger(
    model: Tagger,
    features: Mapping[str, Any],
    tags: int,
    *,
    activation: str = "relu",
    batch_norm: bool = False,
    dropout: float = 0.0,
    initializer: str = "auto",
    seed: int = 0,
) -> keras.Model:
    """Build the Keras model of a tagger.

    Args:
        model: its sizes.
        features: the inputs by name, `Vocabulary.inputs`.
        tags: number of labels.
        activation, batch_norm, dropout, initializer, seed: as for `build_model`.

    Returns:
        A functional model from a dict of named arrays to float32 logits `(batch, time, tags)`.

    Raises:
        KactError: if a name is unusable.

    Example:
        >>> from kact.models import BiLSTMTagger
        >>> from kact.text.vocabulary import Vocabulary
        >>> known = Vocabulary.build([["so", "cool"]], tags=["A", "R"])
        >>> build_tagger(BiLSTMTagger(lstm_units=8), known.inputs, 2).output.shape
        (None, None, 2)
    """
    import keras
    from keras import ops

    from kact.models.blocks import Blocks

    choose(initializer, initializers.SCHEMES, {}, "initializer")
    blocks = Blocks(activations.canonical_spec(activation), batch_norm, dropout, initializer, seed)
    inputs = {
        name: keras.Input(
            (None,) if feature.width is None else (None, feature.width),
            dtype="int32" if feature.rows else "float32",
            name=name,
        )
        for name, feature in features.items()
    }
    mask = ops.not_equal(inputs["word"], 0)  # (batch, time)
    with failing_as_own(model.spec):
        parts = model.embed(inputs, features, blocks)
    x = keras.layers.Concatenate(name="token")(parts)  # (batch, time, width)
    x = x * ops.expand_dims(ops.cast(mask, x.dtype), -1)
    with failing_as_own(model.spec):
        x = checked_features(model, model.hidden(x, blocks, mask), "(batch, time, units)")
        return keras.Model(inputs, blocks.logits(x, tags), name=model.name)
