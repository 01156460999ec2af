"""Descriptions of models: the common interface, and the parts for units, encoder and latent vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from ..errors import InvalidParameter
from ..parameters import check_choice, check_count, check_fraction, check_optional_count
from ..sequences.ragged import Ragged

HIDDEN_SIZE, N_LAYERS = 64, 1
"""Default sizes, if neither the architecture nor the estimator has them."""
LATENT_SIZE = 32
"""Values of a recurrent autoencoder's vector, if the estimator does not say."""


@dataclass(frozen=True, slots=True)
class DataShape:
    """Facts about the data that determine sizes of a model.

    n_steps: of every sequence, None if they differ; n_symbols: of tokens. n_channels is 1 for tokens.
    """

    n_channels: int
    n_steps: int | None = None
    n_symbols: int | None = None

    @classmethod
    def of(cls, sequences: Ragged) -> DataShape:
        """The shape of these data."""
        lengths = sequences.lengths
        n_steps = int(lengths[0]) if (lengths == lengths[0]).all() else None
        n_symbols = 1 + max(int(sequence.max()) for sequence in sequences) if sequences.is_tokens else None
        return cls(sequences.n_channels, n_steps, n_symbols)


def unset(value: Any) -> Any:
    """A field that only some of the alternatives have; the others have this value."""
    return field(default=value, init=False)


class Described:
    """A frozen part of a description; its repr shows the fields that differ from their defaults."""

    __slots__ = ()

    def __repr__(self) -> str:
        own = ((f.name, getattr(self, f.name), f.default) for f in fields(self))  # pyright: ignore[reportArgumentType]
        told = ", ".join(f"{name}={value!r}" for name, value, default in own if value != default)
        return f"{type(self).__name__}({told})"


class Plan(Described, ABC):
    """A description of a model: the interface of every family of architectures.

    is_closed_form: whether it is a model before any training, of curves that it fits.
    """

    __slots__ = ()
    is_closed_form: ClassVar[bool] = False

    @property
    @abstractmethod
    def takes_symbols(self) -> bool:
        """Whether the steps are symbols rather than vectors of channels."""

    @property
    @abstractmethod
    def own_sizes(self) -> tuple[str, ...]:
        """Names among hidden_size and n_layers that it determines itself."""

    @property
    def n_layers(self) -> int | None:
        """How many recurrent layers its encoder has; None where the estimator's n_layers says."""
        return None

    @abstractmethod
    def usual_size(self, shape: DataShape, n_sequences: int) -> int:
        """Values of a vector, where latent_size is "auto". n_sequences: to learn from, some of which are held out."""

    def check_unused(self, **sizes: int | None) -> None:
        """Raise InvalidParameter for a size that the description determines itself."""
        for name in self.own_sizes:
            if sizes.get(name) is not None:
                raise InvalidParameter(
                    f"{name}={sizes[name]} has no effect: this architecture decides it itself; leave {name} out",
                    parameter=name,
                )


def check_weight(name: str, value: float) -> float:
    """A number of at least 0. Raises InvalidParameter for any other value."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InvalidParameter(f"{name} must be a number of at least 0, got {value!r}")
    return value


def as_sizes(name: str, sizes: object, *, count: int | None = None) -> tuple[int, ...]:
    """A tuple of whole numbers of at least 1, `count` of them if that is given."""
    if (
        not isinstance(sizes, list | tuple)
        or not sizes
        or (count is not None and len(sizes) != count)
        or not all(isinstance(s, int) and not isinstance(s, bool) and s >= 1 for s in sizes)
    ):
        raise InvalidParameter(f"{name} must be a tuple of {count or ''} whole numbers of at least 1, got {sizes!r}")
    return tuple(sizes)


def check_part(name: str, value: object, kind: type) -> None:
    """Raise InvalidParameter for a part of another kind: a user may hand over anything."""
    if not isinstance(value, kind):
        raise InvalidParameter(f"{name} must be a {kind.__name__}, got {value!r}", parameter=name)


# -- units ------------------------------------------------------------------------------------------------------------


class Layers(Described, ABC):
    """The units of the encoder's layers."""

    __slots__ = ()

    @property
    @abstractmethod
    def n_layers(self) -> int | None:
        """See Plan.n_layers."""

    @property
    @abstractmethod
    def own_sizes(self) -> tuple[str, ...]:
        """See Plan.own_sizes."""

    @abstractmethod
    def sizes(self, latent_size: int, hidden_size: int | None, n_layers: int | None) -> tuple[int, ...]:
        """Units of each layer, first to last. hidden_size, n_layers: of the estimator."""


@dataclass(frozen=True, slots=True, repr=False)
class EqualLayers(Layers):
    """The estimator's hidden_size in each of `count` layers; None is the estimator's n_layers."""

    count: int | None = None

    def __post_init__(self) -> None:
        check_optional_count("EqualLayers.count", self.count)

    @property
    def n_layers(self) -> int | None:
        """See Plan.n_layers."""
        return self.count

    @property
    def own_sizes(self) -> tuple[str, ...]:
        """See Plan.own_sizes."""
        return () if self.count is None else ("n_layers",)

    def sizes(self, latent_size: int, hidden_size: int | None, n_layers: int | None) -> tuple[int, ...]:
        """See Layers.sizes."""
        return (hidden_size or HIDDEN_SIZE,) * (self.count or n_layers or N_LAYERS)


@dataclass(frozen=True, slots=True, repr=False)
class Units(Layers):
    """The number of units in each layer, first to last."""

    units: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", as_sizes("Units.units", self.units))

    @property
    def n_layers(self) -> int:
        """See Plan.n_layers."""
        return len(self.units)

    @property
    def own_sizes(self) -> tuple[str, ...]:
        """See Plan.own_sizes."""
        return ("hidden_size", "n_layers")

    def sizes(self, latent_size: int, hidden_size: int | None, n_layers: int | None) -> tuple[int, ...]:
        """See Layers.sizes."""
        return self.units


@dataclass(frozen=True, slots=True, repr=False)
class Multiples(Layers):
    """The units of each layer as a multiple of latent_size, first to last."""

    multiples: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "multiples", as_sizes("Multiples.multiples", self.multiples))

    @property
    def n_layers(self) -> int:
        """See Plan.n_layers."""
        return len(self.multiples)

    @property
    def own_sizes(self) -> tuple[str, ...]:
        """See Plan.own_sizes."""
        return ("hidden_size", "n_layers")

    def sizes(self, latent_size: int, hidden_size: int | None, n_layers: int | None) -> tuple[int, ...]:
        """See Layers.sizes."""
        return tuple(multiple * latent_size for multiple in self.multiples)


# -- encoder ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Steps(Described, ABC):
    """The kind of steps, and how recurrent layers read and write them. Fields: see Values and Symbols."""

    are_symbols: ClassVar[bool]
    matrix_shape: tuple[int, int] | None = unset(None)
    strides: tuple[int, ...] = unset(())
    noise: float = unset(0.0)
    embedding_size: int = unset(0)
    sampled_symbols: int = unset(0)

    @property
    def are_convolved(self) -> bool:
        """Whether there are convolutions around the recurrent layers."""
        return self.matrix_shape is not None or bool(self.strides)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Values(Steps):
    """Vectors of n_channels values.

    matrix_shape: (rows, columns) of each step, whose channels are the matrix row by row: 3 x 3 convolutions with
        stride 2 read each step, and transposed ones write it.
    strides: of convolutions over time around the recurrent layers; (4, 2) makes eight steps one.
    noise: standard deviation of Gaussian noise on the input in training, in scaled units; the target stays clean.
    """

    are_symbols: ClassVar[bool] = False
    matrix_shape: tuple[int, int] | None = None
    strides: tuple[int, ...] = ()
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.matrix_shape is not None:
            object.__setattr__(self, "matrix_shape", as_sizes("Values.matrix_shape", self.matrix_shape, count=2))
        if self.strides != ():
            object.__setattr__(self, "strides", as_sizes("Values.strides", self.strides))
        check_weight("Values.noise", self.noise)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Symbols(Steps):
    """Tokens.

    embedding_size: values of the vector of each token.
    sampled_symbols: for larger vocabularies, the number of sampled wrong tokens in the softmax of training.
    """

    are_symbols: ClassVar[bool] = True
    embedding_size: int = 32
    sampled_symbols: int = 1024

    def __post_init__(self) -> None:
        check_count("Symbols.embedding_size", self.embedding_size)
        check_count("Symbols.sampled_symbols", self.sampled_symbols)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EncoderPlan(Described):
    """Recurrent layers that read each sequence.

    layers: their units. steps: their input, and the decoder's output.
    is_bidirectional: whether they also read each sequence from its end (Schuster & Paliwal 1997); the two final states
        are joined.
    """

    layers: Layers = field(default=EqualLayers())
    steps: Values | Symbols = field(default=Values())
    is_bidirectional: bool = True

    def __post_init__(self) -> None:
        check_part("EncoderPlan.layers", self.layers, Layers)
        check_part("EncoderPlan.steps", self.steps, Steps)


# -- latent vector ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Projection(Described, ABC):
    """The map from the encoder's summary to the vector. is_learnt: whether it is a linear map; fields: see Gaussian."""

    is_learnt: ClassVar[bool]
    kl_weight: float = unset(0.0)
    kl_annealing: float = unset(0.0)


@dataclass(frozen=True, slots=True, repr=False)
class Linear(Projection):
    """A linear map to latent_size values, and another one from these to the decoder's initial state."""

    is_learnt: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, repr=False)
class Identity(Projection):
    """The summary is the vector and the decoder's initial state, so their sizes must be equal."""

    is_learnt: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Gaussian(Projection):
    """Linear maps to mean and log variance; training decodes a sample (Kingma & Welling 2014): a variational model.

    kl_weight: above 0, of the divergence from a standard normal, per value of the vector.
    kl_annealing: fraction of the training over which that weight rises from 0 (Bowman 2016).
    """

    is_learnt: ClassVar[bool] = True
    kl_weight: float = 0.001
    kl_annealing: float = 0.5

    def __post_init__(self) -> None:
        if check_weight("Gaussian.kl_weight", self.kl_weight) == 0:
            raise InvalidParameter("Gaussian.kl_weight must be above 0; without divergence use projection=Linear()")
        check_fraction("Gaussian.kl_annealing", self.kl_annealing)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Counts(Described):
    """How often short runs of tokens occur, compressed: values of the vector that describe and are not decoded.

    They are learnt before training; see seqae.features.ngrams.
    n_decoding: the other values, which decode. None is a quarter of all or, if that is less than 32, half up to 32.
    """

    n_decoding: int | None = None

    def __post_init__(self) -> None:
        check_optional_count("Counts.n_decoding", self.n_decoding)

    def decoding_of(self, latent_size: int) -> int:
        """How many values of a vector decode. Raises InvalidParameter where none is left to describe."""
        n_decoding = self.n_decoding or max(latent_size // 4, min(latent_size // 2, LATENT_SIZE), 1)
        if n_decoding >= latent_size:
            raise InvalidParameter(
                f"latent_size must be above n_decoding, so that a value describes; got latent_size={latent_size}, "
                f"n_decoding={n_decoding}",
                parameter="latent_size",
            )
        return n_decoding


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LatentPlan(Described):
    """The vector.

    summary: of the encoder: the top layer's "final" hidden state; h and c of all layers ("states") or of
        the last ("top_state"); the mean of the top layer's outputs ("pooled").
    projection: how.
    counts: further values of the vector, of tokens; None for none.
    length_weight: of the squared error of the length head, for standardised lengths. Above 0, a projected vector also
        has a direction for the length of the encoded sequence; 0 removes both.
    """

    summary: Literal["final", "states", "top_state", "pooled"] = "final"
    projection: Linear | Identity | Gaussian = field(default=Linear())
    counts: Counts | None = None
    length_weight: float = 0.1

    def __post_init__(self) -> None:
        if self.counts is not None:
            check_part("LatentPlan.counts", self.counts, Counts)
        check_part("LatentPlan.projection", self.projection, Projection)
        check_choice("LatentPlan.summary", self.summary, ("final", "states", "top_state", "pooled"))
        check_weight("LatentPlan.length_weight", self.length_weight)
