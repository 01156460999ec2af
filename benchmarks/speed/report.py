"""The table of the speed benchmark, on the terminal and in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from seqae.storage.tables import check_target, write_table

from .machine import Machine, describe_machine
from .table import Ratio, measure, n_rows


def run(*, is_quick: bool, output: Path | None) -> None:
    """Measure, print the table, and write it if an output is named."""
    if output is not None:
        check_target(output)
    machine = describe_machine()
    rows = measure(n_sequences=256, n_repeats=3) if is_quick else measure()
    ratios = list(track(rows, "measuring", total=n_rows(), transient=True, console=Console(stderr=True)))
    show(machine, ratios)
    if output is not None:
        write(output, ratios)


def show(machine: Machine, ratios: Sequence[Ratio]) -> None:
    """Print the machine, then a line per task and peer with one column per size."""
    screen = Console(highlight=False)
    screen.print(
        f"{machine.processor}, {machine.n_threads} threads, kernel [bold]{machine.kernel}[/bold], "
        f"torch {machine.torch_version}, matrix product {machine.matrix_rate / 1e9:.0f} GFLOP/s"
    )
    sizes = list(dict.fromkeys(ratio.size for ratio in ratios))
    table = Table(title="times faster than (in brackets: training's useful arithmetic as a share of the matrix rate)")
    table.add_column("task")
    table.add_column("than")
    for size in sizes:
        table.add_column(f"{size.hidden_size} units, {size.n_channels} ch.", justify="right")
    for task, peer in dict.fromkeys((ratio.task, ratio.peer) for ratio in ratios):
        cells = [_cell(ratio, machine) for ratio in ratios if (ratio.task, ratio.peer) == (task, peer)]
        table.add_row(task, peer, *cells)
    screen.print(table)


def _cell(ratio: Ratio, machine: Machine) -> str:
    share = "" if ratio.rate is None else f" ({ratio.rate / machine.matrix_rate:.0%})"
    return f"{ratio.ratio:.1f}x{share}"


def write(path: Path, ratios: Sequence[Ratio]) -> None:
    """Write one row per task, peer and size."""
    columns = {
        "task": [ratio.task for ratio in ratios],
        "peer": [ratio.peer for ratio in ratios],
        "hidden_size": [ratio.size.hidden_size for ratio in ratios],
        "n_channels": [ratio.size.n_channels for ratio in ratios],
        "ratio": [ratio.ratio for ratio in ratios],
        "seconds": [ratio.seconds for ratio in ratios],
        "peer_seconds": [ratio.peer_seconds for ratio in ratios],
    }
    write_table(path, columns)
