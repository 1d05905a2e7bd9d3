"""Models of one's own, for tests that name them by their path."""

from dataclasses import dataclass

from kact.models import Model, Tagger


@dataclass(frozen=True)
class Residual(Model):
    """Dense layers with a way around each."""

    units: int = 16

    def hidden(self, x, blocks):
        x = blocks.hidden_dense(blocks.flatten(x), self.units, name="first")
        return x + blocks.hidden_dense(x, self.units, name="around")


@dataclass(frozen=True)
class Stack(Model):
    """As many dense layers as there are numbers."""

    units: tuple[int, ...] = (8, 8)

    def hidden(self, x, blocks):
        x = blocks.flatten(x)
        for number, units in enumerate(self.units):
            x = blocks.hidden_dense(x, units, name=f"stacked{number}")
        return x


@dataclass(frozen=True)
class Nested(Residual):
    """Sizes of sizes, and one that may be left out."""

    stages: tuple[tuple[int, int], ...] = ((4, 2), (6, 1))
    extra: int | None = 8


@dataclass(frozen=True)
class Dropping(Residual):
    """A size that is called as another flag."""

    dropout: float = 0.1


@dataclass(frozen=True)
class Named(Model):
    """A name that was meant as a ClassVar."""

    name: str = "named"


@dataclass(frozen=True)
class Refusing(Residual):
    """What it thinks of its sizes."""

    def __post_init__(self):
        raise ValueError("no such width")


@dataclass(frozen=True)
class Words(Tagger):
    """Each token by itself."""

    units: int = 8

    def hidden(self, x, blocks, mask=None):
        return blocks.hidden_dense(x, self.units, name="alone")


@dataclass(frozen=True)
class Unset(Model):
    """A size without a default."""

    units: int


@dataclass(frozen=True)
class Maps(Model):
    """No features at the end."""

    def hidden(self, x, blocks):
        return x


@dataclass(frozen=True)
class Broken(Model):
    """A mistake in it."""

    def hidden(self, x, blocks):
        return blocks.dense(x, units=0 / 0)


@dataclass(frozen=True)
class Twice(Model):
    """One name for two layers."""

    def hidden(self, x, blocks):
        x = blocks.hidden_dense(blocks.flatten(x), 4, name="same")
        return blocks.hidden_dense(x, 4, name="same")


class Undecorated(Model):
    """Its size is none, as it is no dataclass."""

    units: int = 3

    def hidden(self, x, blocks):
        return blocks.hidden_dense(blocks.flatten(x), self.units, name="first")


@dataclass(frozen=True)
class Wrong(Model):
    """What only a library's code notices."""

    units: int = 0

    def hidden(self, x, blocks):
        return blocks.hidden_dense(blocks.flatten(x), self.units, name="first")
