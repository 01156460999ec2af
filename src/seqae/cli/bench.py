"""seqae bench: speed of seqae and its peers on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .screen import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..bench import Machine, Ratio


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="An eighth of the data, three repeats.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the table, as Parquet or CSV.")
    ] = None,
) -> None:
    """Time training, embedding and decoding beside torch, as ratios within one run (median of five)."""
    from rich.progress import track

    from ..bench import describe_machine, measure, n_rows
    from ..storage.tables import check_target

    if output is not None:
        check_target(output)
    machine = describe_machine()
    rows = measure(n_sequences=256, n_repeats=3) if quick else measure()
    ratios = list(track(rows, "measuring", total=n_rows(), transient=True, console=console()))
    show(machine, ratios)
    if output is not None:
        write(output, ratios)


def show(machine: Machine, ratios: Sequence[Ratio]) -> None:
    """Print the machine, then a line per task and peer with one column per size."""
    from rich.table import Table

    screen = console()
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
    from ..storage.tables import write_table

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
