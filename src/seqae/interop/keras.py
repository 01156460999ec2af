"""Load autoencoders saved by Keras 3 as SequenceAutoencoders, without Keras and without running code from the file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InvalidParameter, ModelFileError, SeqaeError
from ..estimator import SequenceAutoencoder
from ..model.building import build
from ..model.chains.plan import ChainPlan
from ..sequences.scaling import identity_scaling
from ..storage.autoencoder import Fitted
from ..training.history import History
from .archive import KerasArchive, read_keras_archive
from .keras_chain import KerasChain, chain_of, parameters_of_chain
from .keras_graph import graph_of
from .keras_h5 import arrays_by_place, is_h5, read_keras_h5
from .keras_legacy import modern_arrays, modern_config
from .keras_route import route_of

NO_HISTORY = History((), 0, "max_epochs")


def load_keras(path: str | os.PathLike[str], *, start: int | Sequence[float] | None = None) -> SequenceAutoencoder:
    """The autoencoder in a file of Keras, with its weights and without scaling.

    The file is a .keras file of Keras 3 or of Keras 2.13 to 2.15, or a .h5 file.

    The graph is a chain of Input, Masking, Embedding, LSTM, GRU, Bidirectional, RepeatVector, TimeDistributed, Dense,
    Reshape and Dropout layers, or two such chains, where the states of recurrent layers are handed from the encoder to
    a decoder that reads a second input or its own output; models within models are opened.

    The vector is what passes from one inner model to another, else the smallest between the encoder's last state and
    the first RepeatVector or Reshape. Where states are handed over it is these, h before c, in the decoder's order.
    What Masking, or mask_zero of an Embedding, takes for padding is left out as Keras does. A second input is the true
    sequence, a step late, in training, and the decoder's own output otherwise; after a softmax its likeliest symbol.

    start: the step, or the token, before the first one where the decoder reads the step before; None is zero.

    Raises ModelFileError for a damaged file, and for a layer that cannot be taken, which it names; InvalidParameter
    for a start that does not fit.
    """
    archive = read_keras_h5(Path(path)) if is_h5(Path(path)) else read_keras_archive(path)
    with _naming(archive):
        chain = chain_of(route_of(graph_of(modern_config(archive.config))))
        if start is None and chain.mask == 0:
            raise ModelFileError(
                "its decoder takes zeros for padding, so they cannot stand before the first step; pass start="
            )
    first = _start(chain, start)
    with _naming(archive):
        return _estimator(chain, archive, first)


@contextmanager
def _naming(archive: KerasArchive) -> Iterator[None]:
    """Whatever its content leads to, as a ModelFileError that names the file."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{archive.path}: {error}") from error
    except (
        SeqaeError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
        ArithmeticError,
        RuntimeError,
    ) as e:
        reason = " ".join(str(e).split())[:200]
        raise ModelFileError(f"{archive.path} is no autoencoder that can be imported ({reason})") from e


def _start(chain: KerasChain, start: int | Sequence[float] | None) -> np.ndarray | None:
    """What stands before the first step, (n_channels,) or one token; None for a decoder that reads no steps."""
    if chain.links[chain.middle].kind != "feedback":
        if start is not None:
            raise InvalidParameter("start is for a decoder that reads the step before; this one reads the vector alone")
        return None
    n_symbols, n_channels = chain.shape.n_symbols, chain.shape.n_channels
    given = np.asarray(0 if start is None and n_symbols else np.zeros(n_channels) if start is None else start)
    if n_symbols is not None:
        if given.shape != () or given.dtype.kind not in "iu" or not 0 <= given < n_symbols:
            raise InvalidParameter(f"start must be a token from 0 to {n_symbols - 1}, got {start!r}")
        first = given.reshape(1).astype(np.int64)
    else:
        given = np.atleast_1d(given)
        if given.shape != (n_channels,) or given.dtype.kind not in "iuf" or not np.isfinite(given).all():
            raise InvalidParameter(f"start must be {n_channels} finite values, one for each channel, got {start!r}")
        first = given.astype(np.float32)
    if chain.mask is not None and (first == chain.mask).all():
        raise InvalidParameter(
            f"the decoder takes {chain.mask} for padding, so it cannot stand before the first step; pass another start"
        )
    return first


def _placed(archive: KerasArchive) -> dict[str, np.ndarray]:
    """The weights by their places in a file of Keras 3."""
    if archive.is_h5:
        return arrays_by_place(modern_config(archive.config), archive.arrays)
    return modern_arrays(archive.arrays)


def _estimator(chain: KerasChain, archive: KerasArchive, start: np.ndarray | None) -> SequenceAutoencoder:
    architecture, shape = ChainPlan(chain.links), chain.shape
    with torch.device("meta"):  # sizes in a hostile file must not allocate anything
        model = build(
            architecture,
            "lstm",
            n_channels=shape.n_channels,
            latent_size=chain.latent_size,
            n_steps=shape.n_steps,
            n_symbols=shape.n_symbols,
        )
    parameters = parameters_of_chain(chain, _placed(archive)) | ({} if start is None else {"decoder.start": start})
    model.load_state_dict(
        {name: torch.from_numpy(np.array(array, order="C")) for name, array in parameters.items()}, assign=True
    )
    loss = "mse" if shape.n_symbols is None else "cross_entropy"
    settings: dict[str, Any] = {"architecture": architecture, "latent_size": chain.latent_size, "loss": loss}
    names = tuple(f"channel_{k}" for k in range(shape.n_channels))
    fitted = Fitted(settings | {"scale": False}, model, shape, identity_scaling(shape.n_channels), NO_HISTORY, names)
    return SequenceAutoencoder.from_fitted(fitted)
