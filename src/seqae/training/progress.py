"""A progress bar on the terminal: epochs, time left, losses."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .history import Epoch


class ProgressBar:
    """A training callback that draws on stderr, and stays silent where that is not a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = Console(stderr=True) if console is None else console
        self._progress: Progress | None = None

    def on_train_start(self, n_epochs: int, n_batches: int, n_done: int) -> None:
        """n_done: epochs that a resumed run has behind it."""
        if not self._console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("[bold]epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.fields[losses]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(
            "train", total=n_epochs * n_batches, completed=n_done * n_batches, epoch=f"{n_done}/{n_epochs}", losses=""
        )
        self._n_epochs = n_epochs
        self._progress.start()

    def on_batch_end(self) -> None:
        """One batch further."""
        if self._progress is not None:
            self._progress.advance(self._task)

    def on_epoch_end(self, epoch: Epoch) -> None:
        """Show the epoch's losses."""
        if self._progress is None:
            return
        losses = f"loss {epoch.training_loss:.4f}"
        if epoch.validation_loss is not None:
            losses += f"  validation {epoch.validation_loss:.4f}"
        self._progress.update(self._task, epoch=f"{epoch.number}/{self._n_epochs}", losses=losses)

    def on_train_end(self) -> None:
        """Leave the terminal as it was."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
