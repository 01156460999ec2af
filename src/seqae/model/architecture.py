"""The frozen description of a recurrent autoencoder. Choices that exclude each other are classes, not flags."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from ..errors import InvalidParameter
from ..parameters import check_choice, check_count, check_fraction
from .plans import (
    LATENT_SIZE,
    Counts,
    DataShape,
    Described,
    EncoderPlan,
    EqualLayers,
    Gaussian,
    Identity,
    LatentPlan,
    Linear,
    Multiples,
    Plan,
    Symbols,
    Units,
    Values,
    as_sizes,
    check_part,
    check_weight,
    unset,
)

__all__ = [
    "PARTS",
    "Architecture",
    "Autoregressive",
    "Composite",
    "Counts",
    "EncoderPlan",
    "EqualLayers",
    "FreeRunning",
    "Gaussian",
    "Identity",
    "InitialState",
    "LatentPlan",
    "Linear",
    "Multiples",
    "Predict",
    "Reconstruct",
    "Repeat",
    "Reshape",
    "Symbols",
    "TeacherForcing",
    "TrainingPlan",
    "Units",
    "Values",
]

WITH_COUNTS = 4  # times as many values, where three in four describe

# -- decoder ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Feedback(Described, ABC):
    """The steps that an autoregressive decoder reads. is_taught: true steps; other fields: see TeacherForcing."""

    is_taught: ClassVar[bool]
    is_scheduled: bool = unset(False)
    dropped: float = unset(0.0)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TeacherForcing(Feedback):
    """True steps in training, its own output afterwards (Williams & Zipser 1989).

    is_scheduled: true steps become less frequent during training (scheduled sampling, Bengio 2015).
    dropped: fraction of true steps that are hidden (Bowman 2016).
    """

    is_taught: ClassVar[bool] = True
    is_scheduled: bool = False
    dropped: float = 0.0

    def __post_init__(self) -> None:
        if check_weight("TeacherForcing.dropped", self.dropped) > 1:
            raise InvalidParameter(f"TeacherForcing.dropped must be from 0 to 1, got {self.dropped!r}")


@dataclass(frozen=True, slots=True, repr=False)
class FreeRunning(Feedback):
    """Its own output, in training as well."""

    is_taught: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DecoderPlan(Described, ABC):
    """Recurrent layers that write a sequence, and how they take the vector.

    units: of each layer, first to last; None: the encoder's in reverse order, or in the same order if the vector is all
        states without a projection.
    is_reversed: whether they write the sequence from its end.
    is_tied: whether they share recurrent weights with the mirrored encoder layers.
    """

    latent_as: ClassVar[Literal["input", "state", "steps"]]
    readouts: ClassVar[tuple[str, ...]]
    readout: str = "dense"
    fills: str = unset("all")
    feedback: Feedback | None = field(default=None, init=False)
    units: tuple[int, ...] | None = None
    is_reversed: bool = False
    is_tied: bool = False

    def __post_init__(self) -> None:
        name = type(self).__name__
        if self.units is not None:
            object.__setattr__(self, "units", as_sizes(f"{name}.units", self.units))
        if self.feedback is not None:
            check_part(f"{name}.feedback", self.feedback, Feedback)
        check_choice(f"{name}.readout", self.readout, self.readouts)
        check_choice(f"{name}.fills", self.fills, ("all", "first"))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Repeat(DecoderPlan):
    """The vector is the input at every step (RepeatVector).

    readout: "dense" maps each output to a step; "attention" maps it together with its attention context over the
        encoder's outputs (Luong 2015, 1508.04025); with "none" the last layer is as wide as the data.
    """

    latent_as: ClassVar[Literal["input", "state", "steps"]] = "input"
    readouts: ClassVar[tuple[str, ...]] = ("dense", "attention", "none")
    readout: Literal["dense", "attention", "none"] = "dense"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InitialState(DecoderPlan):
    """The vector is the initial state of "all" layers or of the "first" one; there is no input. readout: see Repeat."""

    latent_as: ClassVar[Literal["input", "state", "steps"]] = "state"
    readouts: ClassVar[tuple[str, ...]] = ("dense", "attention", "none")
    readout: Literal["dense", "attention", "none"] = "dense"
    fills: Literal["all", "first"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Autoregressive(DecoderPlan):
    """The vector is the initial state of "all" layers or of the "first" one; the input is the step before.

    feedback: the true step or its own. readout: "dense" or "none", see Repeat.
    """

    latent_as: ClassVar[Literal["input", "state", "steps"]] = "state"
    readouts: ClassVar[tuple[str, ...]] = ("dense", "none")
    feedback: TeacherForcing | FreeRunning = field(default=TeacherForcing())
    readout: Literal["dense", "none"] = "dense"
    fills: Literal["all", "first"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Reshape(DecoderPlan):
    """The vector is cut into steps, which are the input: for sequences of one length.

    readout: "dense" or "none", see Repeat; "final": the last state is reshaped to all steps, and each is mapped.
    """

    latent_as: ClassVar[Literal["input", "state", "steps"]] = "steps"
    readouts: ClassVar[tuple[str, ...]] = ("dense", "none", "final")
    readout: Literal["dense", "none", "final"] = "dense"


# -- training ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Task(Described, ABC):
    """What is decoded from the vector in training. Fields: see Predict."""

    has_reconstruction: ClassVar[bool]
    after: int = unset(0)
    before: int = unset(0)
    horizon_annealing: float = unset(0.0)

    @property
    def n_held_back(self) -> int:
        """Steps of each sequence that training predicts from the others."""
        return self.after + self.before

    def check(self) -> None:
        """Raise InvalidParameter for a value out of range."""
        name = type(self).__name__
        for side in ("after", "before"):
            check_count(f"{name}.{side}", getattr(self, side), least=0)
        if self.n_held_back == 0:
            raise InvalidParameter(f"{name} needs at least 1 step after or before; without any use Reconstruct()")
        check_fraction(f"{name}.horizon_annealing", self.horizon_annealing)


@dataclass(frozen=True, slots=True, repr=False)
class Reconstruct(Task):
    """The sequence."""

    has_reconstruction: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Predict(Task):
    """The steps that training holds back: the last `after` and the first `before` ones, with one decoder each.

    horizon_annealing: fraction of training over which the number of predicted steps grows from one to `after`: a
        curriculum for long free-running continuations (Bengio 2009).
    """

    has_reconstruction: ClassVar[bool] = False
    after: int = 1
    before: int = 0
    horizon_annealing: float = 0.5

    def __post_init__(self) -> None:
        self.check()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Composite(Task):
    """The sequence, and the steps held back, from the vector of the other steps (Srivastava 2015). See Predict."""

    has_reconstruction: ClassVar[bool] = True
    after: int = 1
    before: int = 0
    horizon_annealing: float = 0.5

    def __post_init__(self) -> None:
        self.check()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TrainingPlan(Described):
    """Task and regularisation of training.

    task: what is decoded from the vector.
    dropout: fraction of the values between layers that are set to zero (Zaremba 2014, 1409.2329).
    dropped_steps: fraction of the input steps that are set to zero; the target stays whole.
    """

    task: Reconstruct | Predict | Composite = field(default=Reconstruct())
    dropout: float = 0.0
    dropped_steps: float = 0.0

    def __post_init__(self) -> None:
        check_part("TrainingPlan.task", self.task, Task)
        check_fraction("TrainingPlan.dropout", self.dropout)
        check_fraction("TrainingPlan.dropped_steps", self.dropped_steps)


# -- the whole --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Architecture(Plan):
    """The description of a recurrent autoencoder. Sizes that it leaves open are parameters of the estimator.

    encoder: an EncoderPlan. latent: a LatentPlan. training: a TrainingPlan.
    decoder: Repeat, InitialState, Autoregressive or Reshape.
    activation: of candidate and output in every cell; "relu" is what many Keras tutorials use.

    Raises InvalidParameter for parts that do not fit each other.
    """

    encoder: EncoderPlan = field(default=EncoderPlan())
    latent: LatentPlan = field(default=LatentPlan())
    decoder: Repeat | InitialState | Autoregressive | Reshape = field(default=Repeat())
    training: TrainingPlan = field(default=TrainingPlan())
    activation: Literal["tanh", "relu"] = "tanh"

    def __post_init__(self) -> None:
        check_choice("Architecture.activation", self.activation, ("tanh", "relu"))
        for name, kind in (
            ("encoder", EncoderPlan),
            ("latent", LatentPlan),
            ("decoder", DecoderPlan),
            ("training", TrainingPlan),
        ):
            check_part(f"Architecture.{name}", getattr(self, name), kind)
        _check_fit(self)

    @property
    def takes_symbols(self) -> bool:
        """See Plan.takes_symbols."""
        return self.encoder.steps.are_symbols

    @property
    def own_sizes(self) -> tuple[str, ...]:
        """See Plan.own_sizes."""
        return self.encoder.layers.own_sizes

    def usual_size(self, shape: DataShape, n_sequences: int) -> int:
        """32, four times as many with counts; where the vector is cut into steps, the next multiple of their number."""
        n_steps = shape.n_steps if self.decoder.latent_as == "steps" and shape.n_steps else 1
        size = LATENT_SIZE if self.latent.counts is None else WITH_COUNTS * LATENT_SIZE
        return -(-size // n_steps) * n_steps

    @property
    def n_layers(self) -> int | None:
        """See Plan.n_layers."""
        return self.encoder.layers.n_layers

    @property
    def hands_over_states(self) -> bool:
        """Whether the encoder's states are the decoder's initial states."""
        return self.decoder.latent_as == "state" and not self.latent.projection.is_learnt

    def predicting(self, n_steps: int) -> Architecture:
        """The same, which also predicts the n_steps steps after each sequence; 0 are none."""
        task, after = self.training.task, check_count("predicted_steps", n_steps, least=0)
        if task.n_held_back and (after or task.before or not task.has_reconstruction):
            task = replace(task, after=after)  # pyright: ignore[reportCallIssue]
        else:
            task = Composite(after=after) if after else Reconstruct()
        return replace(self, training=replace(self.training, task=task))


def _check_fit(a: Architecture) -> None:
    """Raise InvalidParameter, in one line, for parts that do not fit each other."""
    steps, decoder = a.encoder.steps, a.decoder
    contradictions = {
        "readout='attention' needs summary='pooled', so that the vector is in place of the outputs it stands for": (
            decoder.readout == "attention" and a.latent.summary != "pooled"
        ),
        "strides and matrix_shape need a decoder that reads no steps before, with readout='dense', or 'attention' "
        "without strides": steps.are_convolved
        and (
            decoder.feedback is not None
            or decoder.readout not in ("dense", "attention")
            or (decoder.readout == "attention" and bool(steps.strides))
        ),
        "Symbols need readout='dense', and feedback=TeacherForcing() if any": steps.are_symbols
        and (decoder.readout != "dense" or (decoder.feedback is not None and not decoder.feedback.is_taught)),
        "counts are of Symbols, and need a learnt projection beside them": a.latent.counts is not None
        and not (steps.are_symbols and a.latent.projection.is_learnt),
        "Reshape takes neither strides nor steps held back": decoder.latent_as == "steps"
        and (bool(steps.strides) or a.training.task.n_held_back > 0),
        "is_bidirectional states cannot be handed over without a projection": a.hands_over_states
        and a.encoder.is_bidirectional,
    }
    for message, is_true in contradictions.items():
        if is_true:
            raise InvalidParameter(f"Architecture: {message}")


PARTS: tuple[type[Described], ...] = (
    Architecture, EncoderPlan, EqualLayers, Units, Multiples, Values, Symbols, LatentPlan, Linear, Identity, Gaussian,
    Counts,
    Repeat, InitialState, Autoregressive, Reshape, TeacherForcing, FreeRunning,
    TrainingPlan, Reconstruct, Predict, Composite,
)  # fmt: skip
"""Classes of the parts of an Architecture, which a model file may contain."""
