"""seqae reconstruct: encode and decode a file's sequences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InvalidParameter
from . import options
from .files import DataFile, WindowOptions, check_differs, check_table_target, load_autoencoder
from .screen import counted, lengths, say, say_kept

if TYPE_CHECKING:
    from ..estimator import SequenceAutoencoder
    from ..reading import Source


def reconstruct(
    model: options.Model,
    data: DataFile,
    output: options.Output,
    windows: WindowOptions,
    unknown: options.UnknownSymbols = options.Unknown.error,
    errors: Annotated[
        Path | None,
        typer.Option(
            "--errors",
            metavar="FILE",
            help="Also write the error of each sequence, whole and by channel, to this .parquet or .csv file.",
        ),
    ] = None,
    part: options.Part = None,
) -> None:
    """Write the reconstruction of each sequence.

    One row per step, with id and time, in the order and units of the data; with --window one row per step of each
    window, with the number of the window.
    """
    check_table_target(output, model, *data.inputs)
    if errors is not None:
        _refuse_part(part)
        check_table_target(errors, model, *data.inputs)
        check_differs(errors, output)
    from ..storage.parts import work_of
    from ..storage.tables import write_steps

    estimator, data = load_autoencoder(model), replace(data.following(model), unknown=unknown.value)
    work = work_of(part, output, data.read_for(estimator), model, "reconstruct", windows)
    if work.is_finished:
        say_kept(work.output)
        return
    source, is_cut = windows.of(work.source), windows.window is not None
    again, words = estimator.reconstruct(source), estimator.vocabulary_
    write_steps(work.output, source, again, words, numbers_sequences=is_cut, marks=work.marks)
    say(f"{counted(len(source), 'sequence')} of {lengths(source.ragged)}: {work.output}", beside=output)
    if errors is not None:
        _write_errors(errors, estimator, source)
        say(f"their errors: {errors}", beside=output)


def _refuse_part(part: str | None) -> None:
    if part is not None:
        raise InvalidParameter("--errors and --part do not go together; write errors of all sequences, without --part")


def _write_errors(path: Path, estimator: SequenceAutoencoder, source: Source) -> None:
    """One row per sequence: id, error, and the error of each channel, in scaled units."""
    import numpy as np

    from ..storage.tables import write_table

    by_channel = np.asarray(estimator.reconstruction_error(source, per="channel"))
    columns = {"error": estimator.reconstruction_error(source)}
    columns |= {f"error_{name}": by_channel[:, k] for k, name in enumerate(source.channel_names)}
    id_name = source.id_name if source.id_name not in columns else f"{source.id_name}_"
    write_table(path, {id_name: source.ids} | columns)
