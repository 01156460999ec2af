"""Autoencoders that Keras 3 saved, as SequenceAutoencoders; Keras itself is not needed and none of its code runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..composition import Architecture, ChainLayer
from ..errors import ModelFileError, SeqaeError
from ..estimator import SequenceAutoencoder
from ..model import DataShape, build
from ..persistence import Fitted
from ..scaling import identity_scaling
from ..training import History
from .archive import KerasArchive, read_keras_archive
from .keras_graph import KerasLayer, chain_of, is_unrolled
from .keras_layers import link_of, parameters_of
from .keras_states import read_state_model

NO_HISTORY = History((), 0, "max_epochs")


@dataclass(frozen=True, slots=True)
class _Chain:
    """links: of the model, with the Keras layer that each comes from; latent_size: of the vector in its middle."""

    links: Sequence[tuple[KerasLayer, ChainLayer]]
    latent_size: int
    shape: DataShape


def load_keras(path: str | os.PathLike[str]) -> SequenceAutoencoder:
    """The autoencoder in a .keras file of Keras 3, with its weights and without scaling.

    The graph is a chain of Input, Masking, Embedding, LSTM, GRU, Bidirectional, RepeatVector, TimeDistributed, Dense,
    Reshape and Dropout layers (models within models are opened), whose vector is what the first RepeatVector or
    Reshape reads; or recurrent layers that hand their states to a decoder that reads its own output (see
    keras_states). Sequences are given without padding, so Masking has nothing to do.

    Raises ModelFileError for a damaged file, and for a layer that cannot be taken, which it names.
    """
    archive = read_keras_archive(path)
    try:
        if is_unrolled(archive.config):
            state_model = read_state_model(archive)
            architecture, shape, latent_size = state_model.architecture, state_model.shape, state_model.latent_size
            return _estimator(architecture, shape, latent_size, state_model.cell, state_model.parameters)
        chain = _chain(archive)
        architecture = Architecture(chain=tuple(link for _, link in chain.links), length_weight=0.0)
        return _estimator(architecture, chain.shape, chain.latent_size, "lstm", _parameters(chain, archive))
    except ModelFileError as error:
        raise ModelFileError(f"{archive.path}: {error}") from error
    except (SeqaeError, KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelFileError(f"{archive.path} is no autoencoder that can be imported ({reason})") from error


def _estimator(
    architecture: Architecture, shape: DataShape, latent_size: int, cell: str, parameters: Mapping[str, np.ndarray]
) -> SequenceAutoencoder:
    with torch.device("meta"):  # sizes in a hostile file must not allocate anything
        model = build(
            architecture,
            cell,
            n_channels=shape.n_channels,
            latent_size=latent_size,
            hidden_size=1,
            n_layers=1,
            n_steps=shape.n_steps,
            n_symbols=shape.n_symbols,
        )
    model.load_state_dict(
        {name: torch.from_numpy(np.array(array, order="C")) for name, array in parameters.items()}, assign=True
    )
    loss = "mse" if shape.n_symbols is None else "cross_entropy"
    settings: dict[str, Any] = {"architecture": architecture, "latent_size": latent_size, "loss": loss, "cell": cell}
    names = tuple(f"channel_{k}" for k in range(shape.n_channels))
    fitted = Fitted(settings | {"scale": False}, model, shape, identity_scaling(shape.n_channels), NO_HISTORY, names)
    return SequenceAutoencoder.from_fitted(fitted)


def _chain(archive: KerasArchive) -> _Chain:
    layers = chain_of(archive.config)
    links: list[tuple[KerasLayer, ChainLayer]] = []
    latent_size, vector_size, n_steps, size = None, None, None, _n_channels(archive.config)
    for layer in layers:
        link = link_of(layer, vector_size)
        if link is None:
            continue
        links.append((layer, link))
        if link.kind in ("repeat", "reshape") and latent_size is None:
            latent_size = vector_size
        if link.kind in ("lstm", "gru", "dense", "embedding"):
            size = link.size * (2 if link.direction == "both" and link.merge == "concat" else 1)
        if link.shape is not None:
            n_steps, size = link.shape
        if link.kind in ("lstm", "gru"):
            vector_size = None if link.returns_steps else size
        elif link.kind == "dense" and vector_size is not None:
            vector_size = size
        elif link.kind in ("repeat", "reshape", "embedding"):
            vector_size = None
    if latent_size is None:
        raise ModelFileError(
            "no layer makes one vector of each sequence before a RepeatVector or Reshape; the model is no autoencoder "
            "with a latent vector"
        )
    return _Chain(links, latent_size, DataShape(*_data_shape(archive.config, links, n_steps)))


def _data_shape(
    config: Mapping[str, Any], links: Sequence[tuple[KerasLayer, ChainLayer]], n_steps: int | None
) -> tuple[int, int | None, int | None]:
    """Channels, steps and symbols."""
    first, link = links[0]
    if link.kind == "embedding":
        return 1, n_steps, int(first.config["input_dim"])
    return _n_channels(config), n_steps, None


def _n_channels(config: Mapping[str, Any]) -> int:
    """The last axis of the model's first input; 1 where it has none, as tokens."""
    for item in config["config"]["layers"]:
        own = item["config"]
        shape = own.get("batch_shape") or own.get("batch_input_shape")
        if shape is not None:
            return _last_axis(shape)
        if "layers" in own:
            return _n_channels({"config": own})
    return _last_axis((config.get("build_config") or {}).get("input_shape") or ())


def _last_axis(shape: Sequence[Any]) -> int:
    return int(shape[2]) if len(shape) == 3 and shape[2] is not None else 1


def _parameters(chain: _Chain, archive: KerasArchive) -> dict[str, np.ndarray]:
    """All weights under the names of the chain's modules."""
    links = list(chain.links)
    found: dict[str, np.ndarray] = {}
    if links[0][1].kind == "embedding":
        found["encoder.embedding.weight"] = parameters_of(*links.pop(0), archive.arrays)["weight"]
    middle = next(k for k, (_, link) in enumerate(links) if link.kind in ("repeat", "reshape"))
    for k, (layer, link) in enumerate(links):
        prefix = f"encoder.links.{k}." if k < middle else f"decoder.links.{k - middle}."
        found |= {prefix + name: array for name, array in parameters_of(layer, link, archive.arrays).items()}
    return found
