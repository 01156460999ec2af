"""seqae forecast: continue a file's sequences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .files import DataFile, check_figure_target, check_table_target, draw, load_autoencoder
from .screen import counted, say

if TYPE_CHECKING:
    from ..reading import Source
    from ..sequences.ragged import Ragged


def forecast(
    model: options.Model,
    data: DataFile,
    output: options.Output,
    unknown: options.UnknownSymbols = options.Unknown.error,
    n_steps: Annotated[int, typer.Option("--steps", "-n", metavar="N", help="Steps to add to each sequence.")] = 1,
    plot: options.Plot = None,
) -> None:
    """Write the steps that follow each sequence.

    The model must be composite, or fitted with --predicted-steps. One row per added step, with the id and the step's
    number in its sequence.
    """
    check_table_target(output, model, *data.inputs)
    check_figure_target(plot, output, model, *data.inputs)
    from ..forecasting import forecast as run

    estimator, data = load_autoencoder(model), replace(data.following(model), unknown=unknown.value)
    source = data.read_for(estimator)
    continuation = run(estimator, source, n_steps)
    _write(output, source, continuation, estimator.vocabulary_)
    draw(plot, "continuation", source, continuation)
    say(f"{counted(n_steps, 'step')} after each of {counted(len(source), 'sequence')}: {output}", beside=output)


def _write(path: Path, source: Source, continuation: Ragged, vocabulary: tuple[str, ...] | None) -> None:
    import numpy as np

    from ..storage.tables import columns_of, write_table

    lengths = continuation.lengths
    names = source.channel_names
    id_name = source.id_name if source.id_name not in names else f"{source.id_name}_"
    step_name = "step" if "step" not in (*names, id_name) else "step_"
    steps = continuation.step_numbers() + np.repeat(source.ragged.lengths, lengths)
    columns = {id_name: np.repeat(source.ids, lengths), step_name: steps}
    write_table(path, columns | dict(zip(names, columns_of(continuation, vocabulary), strict=True)))
