"""seqae embed: a file's sequences as vectors."""

from __future__ import annotations

from dataclasses import replace

from . import options
from .files import DataFile, WindowOptions, check_table_target, load_autoencoder
from .screen import counted, say, say_kept


def embed(
    model: options.Model,
    data: DataFile,
    output: options.Output,
    windows: WindowOptions,
    unknown: options.UnknownSymbols = options.Unknown.error,
    part: options.Part = None,
) -> None:
    """Write the vector of each sequence, or of each window of --window steps.

    One row per sequence, with its id, in the order of the data; one per window with the id of its sequence, and the
    times or numbers of its first and last step.
    """
    check_table_target(output, model, *data.inputs)
    from ..storage.parts import work_of
    from ..storage.tables import ends, write_vectors

    estimator, data = load_autoencoder(model), replace(data.following(model), unknown=unknown.value)
    work = work_of(part, output, data.read_for(estimator), model, "embed", windows)
    if work.is_finished:
        say_kept(work.output)
        return
    source = windows.of(work.source)
    vectors = estimator.transform(source)
    places = None if windows.window is None else ends(source)
    write_vectors(work.output, source.ids, source.id_name, vectors, places=places, marks=work.marks)
    say(f"{counted(len(vectors), 'vector')} of {counted(vectors.shape[1], 'value')}: {work.output}", beside=output)
