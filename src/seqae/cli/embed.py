"""seqae embed: a file's sequences as vectors."""

from __future__ import annotations

from . import options
from .files import DataFile, check_table_target
from .screen import counted, say


def embed(
    model: options.Model,
    data: DataFile,
    output: options.Output,
) -> None:
    """Write the vector of each sequence.

    One row per sequence, with its id, in the order of the data.
    """
    check_table_target(output, model, *data.inputs)
    from ..storage.loading import load_autoencoder
    from ..storage.tables import write_vectors

    estimator = load_autoencoder(model)
    source = data.read_for(estimator)
    vectors = estimator.transform(source)
    write_vectors(output, source.ids, source.id_name, vectors)
    say(f"{counted(len(vectors), 'vector')} of {counted(vectors.shape[1], 'value')}: {output}", beside=output)
