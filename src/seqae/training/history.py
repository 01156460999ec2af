"""What training reports: its history, callbacks, and progress on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ..cards import Card
from ..errors import InvalidParameter
from . import diagnostics
from .diagnostics import Measured

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    from ..recurrence import AdamState


FALLING, FALLING_OF_ALL = 0.03, 0.1


@dataclass(frozen=True, slots=True)
class ClosedFormPart:
    """What came before any epoch: parts of the loss of the mean step, over held-out sequences if there are any.

    explained: what the closed form alone takes away of it; gained: what training takes away beyond that. seconds: the
        time that the closed form took.
    """

    explained: float
    gained: float
    seconds: float = 0.0

    def __str__(self) -> str:
        """For example: linear part 96.3 %, recurrence adds 0.4 points."""
        return f"linear part {100 * self.explained:.1f} %, recurrence adds {100 * self.gained:.1f} points"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training sequences.

    training_loss: mean over the epoch's batches; validation_loss: after it, None without validation sequences.
    reconstruction, prediction, divergence: parts of the validation loss, the divergence before its kl_weight; None
        where there is no such part.
    """

    number: int  # 1 is the first
    training_loss: float
    validation_loss: float | None
    learning_rate: float
    seconds: float
    reconstruction: float | None = None
    prediction: float | None = None
    divergence: float | None = None

    @property
    def monitored_loss(self) -> float:
        """The loss for early stopping: of validation, or of training if there is none."""
        return self.training_loss if self.validation_loss is None else self.validation_loss


@dataclass(frozen=True, slots=True, repr=False)
class History(Card):
    """All epochs in order; best_epoch is the number of the one whose weights were kept.

    stopped_by: "max_epochs" where all were run; "patience"; "interrupt" for Ctrl-C; "callback" for StopTraining;
        "closed_form" where nothing was trained.
    closed_form: of a model that learns one before training, else None; best_epoch is 0 where it alone was kept.
    explained: the part of the variance that the model gives back, of held-out sequences if there are any (is_held_out).
        None for tokens, probabilities and models that only predict, and without any but for closed forms.
    measured: what was measured of the model afterwards, for `diagnostics`; None for one that only predicts.
    """

    epochs: tuple[Epoch, ...]
    best_epoch: int
    stopped_by: StopReason
    closed_form: ClosedFormPart | None = None
    explained: float | None = None
    is_held_out: bool = False
    measured: Measured | None = None

    def __repr__(self) -> str:
        return f"History({', '.join(f'{name} {text}' for name, text in self.facts().items())})"

    def facts(self) -> dict[str, str]:
        """Epochs, the loss of the best one, what is explained, the time, and how training ended, as text."""
        told = {"epochs": f"{len(self.epochs)}"}
        if self.best is not None:
            told |= {"best epoch": f"{self.best_epoch}", "loss": f"{self.best.monitored_loss:.4g}"}
        if self.explained is not None:
            told["explained"] = f"{self.explained:.1%} of {'held-out' if self.is_held_out else 'training'} variance"
        return told | {"seconds": f"{self.seconds:.3g}", "stopped by": self.stopped_by}

    @property
    def is_falling(self) -> bool:
        """Whether more training would pay: all epochs were run, and the last quarter of them gained.

        It gained 3 % or more of the loss, or a tenth of what all epochs gained, as where learning has hardly begun.
        """
        losses = [epoch.monitored_loss for epoch in self.epochs]
        n_last = max(1, len(losses) // 4)
        if self.stopped_by != "max_epochs" or len(losses) < 2:
            return False
        before = min(losses[:-n_last])
        gained = before - min(losses[-n_last:])
        return gained > min(FALLING * before, FALLING_OF_ALL * (losses[0] - before + gained))

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """What may be wrong with the model, or may be had cheaper: sentences, each only where it is true."""
        training = [epoch.training_loss for epoch in self.epochs]
        validation = [epoch.validation_loss for epoch in self.epochs if epoch.validation_loss is not None]
        told = diagnostics.of_training(
            training,
            validation or None,
            self.best_epoch,
            is_falling=self.is_falling,
            adds=None if self.closed_form is None else self.closed_form.gained,
        )
        return tuple(told if self.measured is None else [*diagnostics.of_model(self.measured), *told])

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights were kept; None where that is the closed form alone."""
        return self.epochs[self.best_epoch - 1] if self.best_epoch else None

    @property
    def seconds(self) -> float:
        """Wall-clock time of a closed form and all epochs together."""
        before = 0.0 if self.closed_form is None else self.closed_form.seconds
        return before + sum(epoch.seconds for epoch in self.epochs)

    def to_frame(self) -> pa.Table:
        """One row per epoch, as a pyarrow Table: `.to_pandas()` or polars.from_arrow() go on."""
        import pyarrow as pa

        columns = {
            "epoch": pa.array([epoch.number for epoch in self.epochs], pa.int64()),
            "training_loss": pa.array([epoch.training_loss for epoch in self.epochs], pa.float64()),
            "validation_loss": pa.array([epoch.validation_loss for epoch in self.epochs], pa.float64()),
            **{
                part: pa.array([getattr(epoch, part) for epoch in self.epochs], pa.float64())
                for part in ("reconstruction", "prediction", "divergence")
            },
            "learning_rate": pa.array([epoch.learning_rate for epoch in self.epochs], pa.float64()),
            "seconds": pa.array([epoch.seconds for epoch in self.epochs], pa.float64()),
            "is_best": pa.array([epoch.number == self.best_epoch for epoch in self.epochs], pa.bool_()),
            "stopped_by": pa.array([self.stopped_by] * len(self.epochs), pa.string()),
        }
        return pa.table(columns)


@dataclass(slots=True)
class Run:
    """The state that changes from epoch to epoch. parameters, best: flat (n_parameters,)."""

    parameters: torch.Tensor
    best: torch.Tensor
    moments: AdamState
    epochs: list[Epoch]
    best_epoch: int = 0


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


SECONDS_BETWEEN_LINES = 5.0
FEWEST_UNITS = 5000
"""Fewer sequences or windows than this finish before a bar could be read."""


class Meter:
    """Shows `done` of `total` units of work, with text before and after the bar.

    title: text before the bar, such as "epoch 3/10"; note: text after it. now: a clock, in seconds.
    """

    def __init__(
        self,
        title: str,
        total: int,
        *,
        done: int = 0,
        console: Console | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = Console(stderr=True) if console is None else console
        self._title, self._note, self._total, self._done, self._now = title, "", total, done, now
        self._first, self._started, self._last_line = done, now(), now()
        self._bar = self._started_bar() if self._console.is_terminal else None

    def advance(self, n_units: int = 1) -> None:
        """Add n to the units done."""
        self._done += n_units
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)
        elif self._now() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = self._now()
            self._console.print(self._line(), markup=False, highlight=False, soft_wrap=True)

    def tell(self, title: str, note: str) -> None:
        """Set the texts before and after the bar."""
        self._title, self._note = title, note
        if self._bar is not None:
            self._bar.update(self._task, title=title, note=note)

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _started_bar(self) -> Progress:
        bar = Progress(
            TextColumn("[bold]{task.fields[title]}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self._console,
            transient=True,
        )
        self._task = bar.add_task("", total=self._total, completed=self._done, title=self._title, note=self._note)
        bar.start()
        return bar

    def _line(self) -> str:
        parts = [self._title, f"{self._done / self._total:.0%}", self._note]
        n_done = self._done - self._first
        if n_done > 0:
            left = (self._now() - self._started) / n_done * (self._total - self._done)
            parts.append(f"{left:,.0f} s left")
        return ", ".join(part for part in parts if part)


class ProgressBar:
    """A training callback that shows epochs, losses and the remaining time."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._meter: Meter | None = None

    def on_train_start(self, n_epochs: int, n_batches: int, n_done: int) -> None:
        """n_done: epochs that a resumed run has already done."""
        self._n_epochs, done = n_epochs, n_done * n_batches
        self._meter = Meter(f"epoch {n_done}/{n_epochs}", n_epochs * n_batches, done=done, console=self._console)

    def on_batch_end(self) -> None:
        """Count one batch."""
        if self._meter is not None:
            self._meter.advance()

    def on_epoch_end(self, epoch: Epoch) -> None:
        """Show the epoch's losses."""
        losses = f"loss {epoch.training_loss:.4f}"
        if epoch.validation_loss is not None:
            losses += f", validation {epoch.validation_loss:.4f}"
        if self._meter is not None:
            self._meter.tell(f"epoch {epoch.number}/{self._n_epochs}", losses)

    def on_train_end(self) -> None:
        """Leave the terminal as it was."""
        if self._meter is not None:
            self._meter.stop()
            self._meter = None


@contextmanager
def tracked(
    verbose: bool | Literal["auto"], count: Callable[[], int], title: str = "scoring"
) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of units just done; it shows progress if verbose and there are many units.

    count: how many units there are in all.
    """
    total = count() if verbose else 0
    if total < FEWEST_UNITS:
        yield lambda n: None
        return
    meter = Meter(title, total)
    try:
        yield meter.advance
    finally:
        meter.stop()


StopReason = Literal["max_epochs", "patience", "interrupt", "callback", "closed_form"]
