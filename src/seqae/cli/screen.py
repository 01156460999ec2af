"""Output on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from ..sequences.ragged import Ragged
    from ..training.history import History


def console(*, beside: Path | None = None) -> Console:
    """The terminal, for results: stdout. beside: the file of the command; where that is stdout, stderr."""
    from rich.console import Console

    from ..storage.files import is_standard_output

    return Console(highlight=False, stderr=beside is not None and is_standard_output(beside))


def say(text: str, *, beside: Path | None = None) -> None:
    """Print lines without wrapping, so that paths and commands can be copied. beside: as for console()."""
    lines = "\n".join(printable(line) for line in text.split("\n"))
    console(beside=beside).print(lines, markup=False, soft_wrap=True)


def note(text: str) -> None:
    """Print a line on stderr, beside the results."""
    import typer

    typer.echo(printable(text), err=True)


def facts(rows: Mapping[str, str], *, beside: Path | None = None) -> None:
    """Print names and values, one pair per line, without wrapping, so that paths can be copied."""
    from rich.text import Text

    width = max(len(name) for name in rows) + 2
    for name, text in rows.items():
        console(beside=beside).print(Text.assemble((name.ljust(width), "cyan"), printable(text)), soft_wrap=True)


def printable(text: str) -> str:
    """The text with control characters written out, so that a name in a file cannot steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def counted(count: int, noun: str) -> str:
    """The count with its noun: 1 step, 2 steps."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time in seconds with two figures, or in whole ones: 0.042 s, 4.2 s, 421 s."""
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:,.0f} s"


def limit_shown(limit: float | None) -> str:
    """A detector's limit on a single score: 1.292, or none."""
    return "none" if limit is None else f"{limit:.4g}"


def lengths(sequences: Ragged) -> str:
    """The range of lengths: 7 to 29 steps."""
    shortest, longest = int(sequences.lengths.min()), int(sequences.lengths.max())
    return counted(shortest, "step") if shortest == longest else f"{shortest:,} to {counted(longest, 'step')}"


def listed(names: tuple[str, ...], most: int = 8) -> str:
    """Names between commas; only the first ones if there are many."""
    shown = ", ".join(names[:most])
    return f"{shown}, ..." if len(names) > most else shown


def steps(n_symbols: int | None, channel_names: tuple[str, ...], vocabulary: tuple[str, ...] | None) -> dict[str, str]:
    """What a step of the data is: channels, or one of so many symbols."""
    if n_symbols is None:
        return {"channels": f"{len(channel_names)} ({listed(channel_names)})"}
    return {"symbols": f"{n_symbols:,} ({'whole numbers' if vocabulary is None else listed(vocabulary)})"}


REASONS = {
    "max_epochs": "all were run",
    "patience": "stopped early",
    "interrupt": "interrupted; the best so far was kept",
    "callback": "a callback stopped",
    "closed_form": "a closed form, nothing to train",
}


def best_epoch(history: History) -> str:
    """Which epoch was the best, of how many, and why there were no more."""
    return f"{history.best_epoch} of {len(history.epochs)} ({REASONS[history.stopped_by]})"


def explained(history: History, beside: Mapping[str, float]) -> dict[str, str]:
    """How good a model is: what it explains, its linear part, and what simpler ones explain, by name; if known."""
    if history.explained is None:
        return {}
    of_linear = [str(history.closed_form)] if history.closed_form is not None and history.epochs else []
    others = [*of_linear, *(f"{name} {share:.1%}" for name, share in beside.items())]
    where = "of held-out sequences" if history.is_held_out else "of the training sequences themselves"
    aside = f" ({', '.join(others)})" if others else ""
    return {"explained": f"{history.explained:.1%} of the variance {where}{aside}"}


def losses(history: History) -> str:
    """Of the best epoch."""
    told, best = [], history.best
    if best is not None:
        told += [] if best.validation_loss is None else [f"validation {best.validation_loss:.4g}"]
        told.append(f"training {best.training_loss:.4g}")
    return ", ".join(told)


def place(device: torch.device) -> str:
    """Where the model computes: a device, and on a CPU the kernel."""
    from ..recurrence import active_kernel

    if device.type != "cpu":
        return str(device)
    slow = " (slow: the fast one is built where a C++ compiler is found; reinstall with one)"
    return f"cpu, kernel {active_kernel()}" + (slow if active_kernel() == "reference" else "")


def say_kept(path: Path) -> None:
    """Say that a part was there already."""
    say(f"kept, as it was written before: {path}", beside=path)
