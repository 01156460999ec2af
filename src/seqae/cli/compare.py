"""seqae compare: the architectures on a file's sequences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InvalidParameter
from .files import DataFile, check_table_target
from .screen import console, counted, say

if TYPE_CHECKING:
    import numpy as np

    from ..comparison import Comparison
    from ..reading import Source


def compare(
    data: DataFile,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Also write the table to a .parquet or .csv file."),
    ] = None,
    architectures: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Presets to compare, if not the usual ones.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="A channel that is constant in each sequence: its label, not data."),
    ] = None,
    n_seeds: Annotated[int, typer.Option(metavar="N", help="Models of each, from different seeds.")] = 3,
    latent_size: Annotated[int, typer.Option(metavar="N", help="Values of a vector.")] = 32,
    hidden_size: Annotated[
        int | None, typer.Option(metavar="N", help="Units of a recurrent layer, where the architecture does not say.")
    ] = None,
    max_epochs: Annotated[int, typer.Option(metavar="N", help="Most epochs for each model.")] = 100,
    random_state: Annotated[int, typer.Option("--seed", metavar="N", help="Of the split and the first model.")] = 0,
) -> None:
    """Fit each architecture to the same sequences, and measure it on the same held-out ones.

    Prints one table with the linear baselines, and which to use by the one-standard-error rule.
    """
    if output is not None:
        check_table_target(output, data.path)
    from ..comparison import DEFAULT
    from ..comparison import compare as run

    source, labels = _labelled(data.read(), label)
    names = DEFAULT if architectures is None else tuple(name.strip() for name in architectures.split(","))
    settings: dict[str, Any] = {"latent_size": latent_size, "hidden_size": hidden_size, "max_epochs": max_epochs}
    result = run(source, labels, architectures=names, n_seeds=n_seeds, random_state=random_state, **settings)
    _show(result)
    if output is not None:
        from ..storage.tables import write_table

        write_table(output, result.to_columns())
        say(f"the table: {output}")


def _labelled(source: Source, label: str | None) -> tuple[Source, np.ndarray | None]:
    """The sequences without the label column, and their labels."""
    if label is None:
        return source, None
    from dataclasses import replace

    import numpy as np

    from ..sequences.ragged import Ragged

    if label not in source.channel_names:
        raise InvalidParameter(f"there is no channel {label!r}; channels are {', '.join(source.channel_names)}")
    k = source.channel_names.index(label)
    sequences = source.ragged
    labels = sequences.values[sequences.starts, k]
    for i, sequence in enumerate(sequences):
        if (sequence[:, k] != labels[i]).any():
            raise InvalidParameter(f"the label {label!r} changes within sequence {source.ids[i]}; it must be constant")
    others = [j for j in range(sequences.n_channels) if j != k]
    observed = None if sequences.observed is None else sequences.observed[:, others]
    rest = Ragged.view(np.ascontiguousarray(sequences.values[:, others]), sequences.starts, sequences.lengths, observed)
    names = tuple(source.channel_names[j] for j in others)
    return replace(source, ragged=rest, channel_names=names), labels


def _show(result: Comparison) -> None:
    from rich.table import Table

    table = Table(title=f"{counted(result.n_training, 'sequence')} to fit, {result.n_held_out:,} held out")
    for heading in ("architecture", "held-out error", "95 % interval", "accuracy", "parameters", "seconds"):
        table.add_column(heading, justify="left" if heading == "architecture" else "right", overflow="fold")
    for row in result.rows:
        if row.problem:
            table.add_row(row.name, "-", "-", "-", "-", "-")
            continue
        accuracy = "-" if row.accuracy is None else f"{row.accuracy:.3f}"
        interval = f"{row.low:.4f} .. {row.high:.4f}"
        table.add_row(row.name, f"{row.error:.4f}", interval, accuracy, f"{row.n_parameters:,}", f"{row.seconds:.1f}")
    console().print(table)
    for row in result.rows:
        if row.problem:
            say(f"{row.name} was left out: {row.problem}")
    say(f"Use {result.recommended}: {result.reason}.")
