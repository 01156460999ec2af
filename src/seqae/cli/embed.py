"""seqae embed: a file's sequences as vectors."""

from __future__ import annotations

from dataclasses import replace

from . import options
from .files import DataFile, WindowOptions, check_table_target, load_autoencoder
from .screen import counted, say


def embed(
    model: options.Model,
    data: DataFile,
    output: options.Output,
    windows: WindowOptions,
    unknown: options.UnknownSymbols = options.Unknown.error,
) -> None:
    """Write the vector of each sequence, or of each window of --window steps.

    One row per sequence, with its id, in the order of the data; one per window with the id of its sequence, and the
    times or numbers of its first and last step.
    """
    check_table_target(output, model, *data.inputs)
    from ..storage.tables import ends, write_vectors

    estimator, data = load_autoencoder(model), replace(data.following(model), unknown=unknown.value)
    source = windows.of(data.read_for(estimator))
    vectors = estimator.transform(source)
    write_vectors(output, source.ids, source.id_name, vectors, places=None if windows.window is None else ends(source))
    say(f"{counted(len(vectors), 'vector')} of {counted(vectors.shape[1], 'value')}: {output}", beside=output)
