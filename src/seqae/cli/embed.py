"""seqae embed: a file's sequences as vectors."""

from __future__ import annotations

from . import options
from .files import DataFile, check_table_target, load_autoencoder
from .screen import counted, say


def embed(
    model: options.Model,
    data: options.Data,
    output: options.Output,
    id: options.Id = None,
    time: options.Time = None,
    channels: options.Channels = None,
    wide: options.Wide = False,
    missing: options.MissingValues = options.Missing.error,
) -> None:
    """Write the vector of each sequence.

    One row per sequence, with its id, in the order of the data.
    """
    check_table_target(output, model, data)
    from ..writing import write_vectors

    estimator = load_autoencoder(model)
    source = DataFile(data, id, time, channels, wide, missing).read_for(estimator)
    vectors = estimator.transform(source)
    write_vectors(output, source.ids, source.id_name, vectors)
    say(f"{counted(len(vectors), 'vector')} of {counted(vectors.shape[1], 'value')}: {output}")
