"""Progress of long jobs on stderr: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .history import Epoch

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
