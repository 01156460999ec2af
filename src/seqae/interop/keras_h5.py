"""The content of a .h5 file, the format of Keras before .keras: a configuration, and weights by the names of layers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from itertools import count, takewhile
from pathlib import Path

import numpy as np

from ..errors import MissingExtra, ModelFileError
from .archive import MAX_BYTES, KerasArchive, collect
from .keras_graph import CONTAINERS, KerasLayer, as_model, layers_of
from .keras_legacy import Json

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_RECURRENT = ("kernel", "recurrent_kernel", "bias")


def is_h5(path: Path) -> bool:
    """Whether the file begins as HDF5 files do. A file that cannot be opened is none."""
    try:
        with path.open("rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def read_keras_h5(path: Path) -> KerasArchive:
    """The configuration, and the weights as "layer name/number/name of the weight", numbered as Keras stored them.

    Raises ModelFileError for a file that is damaged, too large or holds no model; MissingExtra without h5py.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra("keras") from error
    size, limit = path.stat().st_size, MAX_BYTES["model.weights.h5"]
    if size > limit:
        raise ModelFileError(f"{path} has {size} bytes, more than {limit}")
    try:
        with h5py.File(io.BytesIO(path.read_bytes()), "r") as opened:
            file: Json = opened  # h5py types its items loosely
            if "model_config" not in file.attrs or "model_weights" not in file:
                raise ModelFileError(f"{path} holds weights without their model; save both with model.save('name.h5')")
            config = json.loads(file.attrs["model_config"])
            stored: dict[str, np.ndarray] = {}
            collect(file["model_weights"], "", stored, size)
            arrays = {}
            for layer in _texts(file["model_weights"].attrs, "layer_names"):
                for k, name in enumerate(_texts(file["model_weights"][layer].attrs, "weight_names")):
                    if f"{layer}/{name}" in stored:
                        arrays[f"{layer}/{k}/{name.split('/')[-1].split(':')[0]}"] = stored[f"{layer}/{name}"]
    except ModelFileError:
        raise
    except Exception as error:  # h5py raises many kinds of errors for damaged files
        reason = " ".join(str(error).split())[:200]
        raise ModelFileError(f"{path} is damaged: it cannot be read as HDF5 ({reason})") from error
    if not isinstance(config, dict):
        raise ModelFileError(f"{path} is damaged: its model_config holds no model")
    return KerasArchive(path, config, arrays, is_h5=True)


def arrays_by_place(config: Mapping[str, Json], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights by the paths of a .keras file, "layers/lstm_1/cell/vars/0".

    Of a model within the model Keras stored the weights in the order of its layers, frozen layers last. Raises
    ModelFileError, naming the layer, if they are not the weights that its configuration asks for.
    """
    found: dict[str, np.ndarray] = {}
    for layer, _ in layers_of(config, ""):
        wanted = [item for is_frozen in (False, True) for item in _wanted(layer, is_frozen=False, only=is_frozen)]
        numbered = ((int(key.split("/")[-2]), key) for key in arrays if key.rsplit("/", 2)[0] == layer.name)
        given = [key for _, key in sorted(numbered)]
        if [name for name, _ in wanted] != [key.split("/")[-1] for key in given]:
            raise ModelFileError(
                f"layer {layer.name!r} ({layer.kind}) has {len(given)} weights in the file, but its configuration asks "
                f"for {len(wanted)}, or for others"
            )
        found |= {place: arrays[key] for (_, place), key in zip(wanted, given, strict=True)}
    return found


def _wanted(layer: KerasLayer, *, is_frozen: bool, only: bool) -> Iterator[tuple[str, str]]:
    """Name and place of each weight. only: those of frozen layers (True), or of all others (False)."""
    is_frozen = is_frozen or not layer.config.get("trainable", True)
    if layer.kind in CONTAINERS:
        for inner, _ in layers_of(as_model(layer), layer.place + "/"):
            yield from _wanted(inner, is_frozen=is_frozen, only=only)
    elif is_frozen == only:
        yield from _own(layer.kind, layer.config, layer.place)


def _own(kind: str, config: Mapping[str, Json], place: str) -> Iterator[tuple[str, str]]:
    """Name and place of each weight of one layer, in Keras' order."""
    if kind == "Bidirectional":
        for side in ("forward_layer", "backward_layer"):
            yield from _own(config["layer"]["class_name"], config["layer"]["config"], f"{place}/{side}")
    elif kind == "TimeDistributed":
        yield from _own(config["layer"]["class_name"], config["layer"]["config"], f"{place}/layer")
    elif kind == "Embedding":
        yield "embeddings", f"{place}/vars/0"
    elif kind in ("LSTM", "GRU", "Dense"):
        names = _RECURRENT if kind != "Dense" else ("kernel", "bias")
        inner = f"{place}/cell/vars" if kind != "Dense" else f"{place}/vars"
        for k, name in enumerate(names[: None if config.get("use_bias", True) else -1]):
            yield name, f"{inner}/{k}"


def _texts(attributes: Json, name: str) -> list[str]:
    """A list of names; a long one is stored in parts, name0, name1, ..."""
    parts = [name] if name in attributes else []
    if not parts:
        parts = list(takewhile(lambda part: part in attributes, (f"{name}{k}" for k in count())))
    texts = [text for part in parts for text in attributes[part]]
    return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]
