"""seqae impute: a file's sequences with their missing values filled."""

from __future__ import annotations

from dataclasses import replace

from . import options
from .files import DataFile, check_table_target, load_autoencoder
from .screen import counted, lengths, say


def impute(model: options.Model, data: DataFile, output: options.Output) -> None:
    """Fill what is missing from the reconstruction of each sequence; all else stays as it is.

    One row per step, with id and time, in the order and units of the data. A sequence of which nothing was observed
    gets the mean of each channel in the training data.
    """
    check_table_target(output, model, *data.inputs)
    import numpy as np

    from ..storage.tables import write_steps

    estimator, data = load_autoencoder(model), data.following(model)
    source = replace(data, missing=data.missing or options.Missing.mask).read_for(estimator, keeps_float64=True)
    write_steps(output, source, estimator.impute(source), estimator.vocabulary_)
    observed = source.ragged.compact().observed
    n_filled = 0 if observed is None else int(np.count_nonzero(~observed))
    told = f"{counted(len(source), 'sequence')} of {lengths(source.ragged)}, {counted(n_filled, 'value')} filled"
    say(f"{told}: {output}", beside=output)
