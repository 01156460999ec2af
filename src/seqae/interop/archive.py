"""The content of a .keras file: a zip archive of JSON and HDF5. Nothing in it is executed or trusted."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingExtra, ModelFileError

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
MAX_BYTES = {_CONFIG: 1 << 26, _WEIGHTS: 1 << 31}


@dataclass(frozen=True, slots=True)
class KerasArchive:
    """config: the model's configuration in JSON. arrays: float32 weights by path, "layers/lstm/cell/vars/0".

    is_h5: the file is a .h5 file, whose weights lie by the names of layers.
    """

    path: Path
    config: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    is_h5: bool = False


def read_keras_archive(path: str | os.PathLike[str]) -> KerasArchive:
    """The content of a Keras 3 file.

    Raises ModelFileError for a file that is missing, damaged, too large or of another kind; MissingExtra without h5py.
    """
    target = Path(path)
    try:
        with zipfile.ZipFile(target) as archive:
            parts = {name: _member(target, archive, name) for name in (_CONFIG, _WEIGHTS)}
    except OSError as error:
        raise ModelFileError(f"{target} cannot be opened: {error.strerror or error}") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"{target} is no Keras 3 file ({_one_line(error)}); save the model with model.save('name.keras')"
        ) from error
    try:
        config = json.loads(parts[_CONFIG])
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{target} is damaged: its {_CONFIG} cannot be read") from error
    if not isinstance(config, dict):
        raise ModelFileError(f"{target} is damaged: its {_CONFIG} holds no model")
    return KerasArchive(target, config, _arrays(target, parts[_WEIGHTS]))


def _member(target: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise ModelFileError(f"{target} holds no {name}; it is no Keras 3 file") from error
    if info.file_size > MAX_BYTES[name]:
        raise ModelFileError(f"{target}: {name} would unpack to {info.file_size} bytes, more than {MAX_BYTES[name]}")
    try:
        return archive.read(info)
    except Exception as error:  # zlib.error and struct.error of damaged archives have no common base class
        raise ModelFileError(f"{target} is damaged: {name} cannot be unpacked ({_one_line(error)})") from error


def _arrays(target: Path, data: bytes) -> dict[str, np.ndarray]:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra("keras") from error
    arrays: dict[str, np.ndarray] = {}
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            collect(file, "", arrays, len(data))
    except ModelFileError:
        raise
    except Exception as error:  # h5py raises many kinds of errors for damaged files
        raise ModelFileError(f"{target} is damaged: its weights cannot be read ({_one_line(error)})") from error
    return arrays


def collect(group: Any, prefix: str, arrays: dict[str, np.ndarray], n_bytes: int) -> None:
    """Every plain float dataset below group. Links and external storage may lead elsewhere."""
    import h5py

    for name in group:
        place = f"{prefix}{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ModelFileError(f"the weights hold a link at {place}, which no Keras model has")
        item = group[name]
        if isinstance(item, h5py.Group):
            if place.count("/") > 40:
                raise ModelFileError(f"the weights are nested too deep at {place[:80]}")
            collect(item, place + "/", arrays, n_bytes)
        elif isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            is_plain = not item.external and not item.is_virtual and item.id.get_storage_size() >= item.nbytes
            if not is_plain or item.nbytes > n_bytes:
                raise ModelFileError(f"the weights at {place} do not lie in the file")
            arrays[place.replace("\\", "/")] = np.asarray(item[()], np.float32)  # as Windows wrote paths until 2023


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
