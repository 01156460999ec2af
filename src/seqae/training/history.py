"""The history of training, and callbacks."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal, Protocol

from ..errors import InvalidParameter

if TYPE_CHECKING:
    import pyarrow as pa

StopReason = Literal["max_epochs", "patience", "interrupt", "callback", "closed_form"]


@dataclass(frozen=True, slots=True)
class ClosedFormPart:
    """What came before any epoch: parts of the loss of the mean step, over held-out sequences if there are any.

    explained: what the closed form alone takes away of it; gained: what training takes away beyond that.
    """

    explained: float
    gained: float

    def __str__(self) -> str:
        """For example: linear part 96.3 %, recurrence adds 0.4 points."""
        return f"linear part {100 * self.explained:.1f} %, recurrence adds {100 * self.gained:.1f} points"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training sequences.

    training_loss: mean over the epoch's batches; validation_loss: after it, None without validation sequences.
    """

    number: int  # 1 is the first
    training_loss: float
    validation_loss: float | None
    learning_rate: float
    seconds: float

    @property
    def monitored_loss(self) -> float:
        """The loss for early stopping: of validation, or of training if there is none."""
        return self.training_loss if self.validation_loss is None else self.validation_loss


@dataclass(frozen=True, slots=True)
class History:
    """All epochs in order; best_epoch is the number of the one whose weights were kept.

    stopped_by: "max_epochs" where all were run; "patience"; "interrupt" for Ctrl-C; "callback" for StopTraining;
        "closed_form" where nothing was trained.
    closed_form: of a model that learns one before training, else None; best_epoch is 0 where it alone was kept.
    """

    epochs: tuple[Epoch, ...]
    best_epoch: int
    stopped_by: StopReason
    closed_form: ClosedFormPart | None = None

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights were kept; None where that is the closed form alone."""
        return self.epochs[self.best_epoch - 1] if self.best_epoch else None

    @property
    def seconds(self) -> float:
        """Wall-clock time of all epochs together."""
        return sum(epoch.seconds for epoch in self.epochs)

    def to_frame(self) -> pa.Table:
        """One row per epoch, as a pyarrow Table: `.to_pandas()` or polars.from_arrow() go on."""
        import pyarrow as pa

        columns = {
            "epoch": pa.array([epoch.number for epoch in self.epochs], pa.int64()),
            "training_loss": pa.array([epoch.training_loss for epoch in self.epochs], pa.float64()),
            "validation_loss": pa.array([epoch.validation_loss for epoch in self.epochs], pa.float64()),
            "learning_rate": pa.array([epoch.learning_rate for epoch in self.epochs], pa.float64()),
            "seconds": pa.array([epoch.seconds for epoch in self.epochs], pa.float64()),
            "is_best": pa.array([epoch.number == self.best_epoch for epoch in self.epochs], pa.bool_()),
            "stopped_by": pa.array([self.stopped_by] * len(self.epochs), pa.string()),
        }
        return pa.table(columns)


class StopTraining(Exception):
    """A callback raises this to end training after the current epoch; the best weights are kept."""


class Callback(Protocol):
    """Methods that training calls. Your class may have any of them, or derive from this class."""

    def on_train_start(self, n_epochs: int, n_batches: int, n_done: int) -> None:
        """n_epochs: at most; n_batches: per epoch; n_done: epochs that a resumed run has already done."""

    def on_batch_end(self) -> None:
        """After each update."""

    def on_epoch_end(self, epoch: Epoch) -> None:
        """After each epoch and its validation. It may raise StopTraining."""

    def on_train_end(self) -> None:
        """At the end, also after an interrupt; the model has the best weights."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


def check_hooks(callback: object) -> None:
    """Raise InvalidParameter unless it has at least one hook, and no other method named on_..."""
    found = [name for name in dir(callback) if name.startswith("on_")]
    unknown = [name for name in found if name not in HOOKS]
    if unknown:
        meant = get_close_matches(unknown[0], HOOKS, n=1, cutoff=0.0)[0]
        raise InvalidParameter(
            f"callbacks: {type(callback).__name__}.{unknown[0]} would never be called; did you mean {meant}?",
            parameter="callbacks",
        )
    if not found or isinstance(callback, type):
        raise InvalidParameter(
            f"callbacks must be objects with any of the methods {', '.join(HOOKS)}, got {callback!r}",
            parameter="callbacks",
        )
