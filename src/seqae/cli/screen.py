"""How results look on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from ..ragged import Ragged


def console() -> Console:
    """The terminal, for results: stdout."""
    from rich.console import Console

    return Console(highlight=False)


def say(text: str) -> None:
    """Print a line as it is: never wrapped, so that paths and commands can be copied."""
    console().print(text, markup=False, soft_wrap=True)


def facts(rows: Mapping[str, str]) -> None:
    """Print names beside what they are, one per line, wrapped within their own column."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in rows.items():
        grid.add_row(name, Text(text))
    console().print(grid)


def counted(count: int, noun: str) -> str:
    """The count with its noun: 1 step, 2 steps."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def lengths(sequences: Ragged) -> str:
    """How long sequences are: 7 to 29 steps."""
    shortest, longest = int(sequences.lengths.min()), int(sequences.lengths.max())
    return counted(shortest, "step") if shortest == longest else f"{shortest:,} to {counted(longest, 'step')}"


def listed(names: tuple[str, ...], most: int = 8) -> str:
    """Names between commas, the first of them if there are many."""
    shown = ", ".join(names[:most])
    return f"{shown}, ..." if len(names) > most else shown
