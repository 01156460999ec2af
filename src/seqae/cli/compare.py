"""seqae compare: the architectures on a file's sequences."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import InvalidParameter
from ..parameters import DEFAULTS
from . import options
from .files import DataFile, check_figure_target, check_table_target, draw
from .screen import console, counted, say
from .training import ModelOptions, TrainingOptions, parameters_of

if TYPE_CHECKING:
    from ..comparison.result import ComparedRow, Comparison


class Rows(StrEnum):
    """What a row of the written table is."""

    architecture = "architecture"
    run = "run"
    epoch = "epoch"


def compare(
    data: DataFile,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Also write the table to a .parquet or .csv file."),
    ] = None,
    rows: Annotated[Rows, typer.Option(help="What a row of the written table is.")] = Rows.architecture,
    architectures: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Presets to compare, if not the usual ones.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="A column that is constant in each sequence: its label, not data."),
    ] = None,
    n_seeds: Annotated[int, typer.Option(metavar="N", help="Models of each, from different seeds.")] = 3,
    latent_size: Annotated[
        str, typer.Option(metavar="N,...", help="Values of a vector; several to compare them.")
    ] = str(DEFAULTS.latent_size),
    model: ModelOptions,
    training: TrainingOptions,
    random_state: Annotated[int, typer.Option("--seed", metavar="N", help="Of the split and the first model.")] = 0,
    plot: options.Plot = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Fit each architecture to the same sequences, and measure it on the same held-out ones.

    Prints one table with the linear baselines, and which to use by the one-standard-error rule. Ctrl-C and SIGTERM end
    it: what was fitted until then is printed and written, and what was cut is marked.
    """
    if output is not None:
        check_table_target(output, *data.inputs)
    check_figure_target(plot, *data.inputs)
    from ..comparison.fits import DEFAULT
    from ..comparison.fits import compare as run

    source, labels = data.read_labelled(label)
    result = run(
        source,
        labels,
        architectures=DEFAULT if architectures is None else [name.strip() for name in architectures.split(",")],
        latent_size=_sizes(latent_size),
        n_seeds=n_seeds,
        random_state=random_state,
        interrupt="keep",
        verbose=False if quiet else "auto",
        **parameters_of(model, training),
    )
    _show(result, output)
    if output is not None:
        _write(result, rows, output)
    draw(plot, "comparison", result)
    if result.is_interrupted:
        raise KeyboardInterrupt("the comparison was interrupted; the table holds what was fitted until then")


def _write(result: Comparison, rows: Rows, output: Path) -> None:
    from ..storage.tables import write_table

    table = result.to_frame(rows.value)
    write_table(output, dict(zip(table.column_names, table.columns, strict=True)))
    say(f"the table: {output}", beside=output)


def _sizes(text: str) -> list[int | Literal["auto"]]:
    try:
        return ["auto" if part.strip() == "auto" else int(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidParameter(f"--latent-size must be whole numbers such as 8 or 4,8,16, got {text!r}") from error


HEADINGS = (
    *("architecture", "values", "variance\nexplained", "held-out\nerror", "± 95 %"),
    *("1-NN", "logistic", "learnt", "seconds"),
)
LABELLED = ("1-NN", "logistic")
LESSER, WIDE = ("± 95 %", "learnt", "seconds"), 100
"""Columns that a terminal of less than 100 characters has no room for."""


def _show(result: Comparison, output: Path | None) -> None:
    from rich import box
    from rich.table import Table

    is_labelled = any(row.nearest is not None for row in result.rows)
    screen = console(beside=output)
    hidden = (*(() if is_labelled else LABELLED), *(() if screen.width >= WIDE else LESSER))
    headings = [name for name in HEADINGS if name not in hidden]
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{counted(result.n_training, 'sequence')} to fit, {result.n_held_out:,} held out",
        caption=(
            "Error: mean square, and half of its interval. 1-NN, logistic: accuracy of the nearest neighbour and of "
            "logistic regression on the vectors. Learnt: numbers."
        ),
        caption_justify="left",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading == HEADINGS[0] else "right", overflow="fold")
    for row in result.rows:
        cells = _cells(row)
        table.add_row(*(cells[heading] for heading in headings))
    screen.print(table)
    for row in result.rows:
        if row.problem:
            say(f"{row.name} was left out: {row.problem}", beside=output)
    if any(row.is_cut and not row.problem for row in result.rows):
        say("*: an interrupt cut its training; it is not recommended.", beside=output)
    falling = [row.name for row in result.rows if row.is_falling]
    if falling:
        say(f"The loss was still falling of {', '.join(falling)}: train longer, such as --quality best.", beside=output)
    told = f"Use {result.recommended}: {result.reason}." if result.recommended else f"{result.reason.capitalize()}."
    say(told, beside=output)


def _cells(row: ComparedRow) -> dict[str, str]:
    """By heading."""
    if row.problem:
        return dict.fromkeys(HEADINGS, "-") | {HEADINGS[0]: row.name}
    told = (
        row.name + ("*" if row.is_cut else ""),
        "-" if row.latent_size is None else f"{row.latent_size:,}",
        f"{row.explained:.1%}",
        f"{row.error:.4f}",
        f"{(row.high - row.low) / 2:.4f}",
        "-" if row.nearest is None else f"{row.nearest:.3f}",
        "-" if row.accuracy is None else f"{row.accuracy:.3f}",
        f"{row.n_parameters:,}",
        f"{row.seconds:.1f}",
    )
    return dict(zip(HEADINGS, told, strict=True))
