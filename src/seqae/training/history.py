"""What happened in training, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StopReason = Literal["max_epochs", "patience", "interrupt", "callback"]


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
        """What early stopping looks at: the validation loss where there is one."""
        return self.training_loss if self.validation_loss is None else self.validation_loss


@dataclass(frozen=True, slots=True)
class History:
    """All epochs, in order; best_epoch is the number of the one whose weights were kept."""

    epochs: tuple[Epoch, ...]
    best_epoch: int
    stopped_by: StopReason

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return self.epochs[self.best_epoch - 1]

    @property
    def seconds(self) -> float:
        """Wall-clock time of all epochs together."""
        return sum(epoch.seconds for epoch in self.epochs)
