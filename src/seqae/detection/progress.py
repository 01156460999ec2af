"""A progress bar for long scoring, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

FEWEST_UNITS = 5000
"""Less than so many sequences or windows is done before a bar could be read."""


@contextmanager
def tracked(verbose: bool | Literal["auto"], count: Callable[[], int]) -> Iterator[Callable[[int], None]]:
    """What to call with the number of units just done; draws on stderr if verbose and that is a terminal.

    count: how many units there are in all.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not verbose or not console.is_terminal:
        yield lambda n: None
        return
    total = count()
    if total < FEWEST_UNITS:
        yield lambda n: None
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("scoring", total=total)
        yield lambda n: progress.advance(task, n)
