"""One file: safetensors, with the configuration as JSON in its header. Loading it runs no code."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFileError
from ..version import __version__
from .files import reason_of, written_whole
from .vetting import as_mapping, decoded, shown, vet_arrays

FORMAT_VERSION = 2
MOST_CONTAINERS, CONTAINER_CHARACTERS = 1000, 16  # an empty list takes 2 bytes in the file, and 64 in memory
_HEADER_KEY = "seqae"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The content of a file. kind: of the saved object; config: JSON values; tensors: arrays by name.

    versions: of the packages that wrote it, by name; set by reading. layout: of the data it was fitted on, the options
        of the command line by name; empty where another program read them.
    """

    kind: str
    config: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray]
    versions: Mapping[str, str] = field(default_factory=dict)
    layout: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Header:
    """The header of a file, without its configuration."""

    kind: str
    format: int
    versions: Mapping[str, str]
    layout: Mapping[str, str]


def write_model_file(path: str | os.PathLike[str], model: ModelFile) -> None:
    """Write to a temporary name beside path, then rename: the file is whole or it is not there.

    Raises ModelFileError if it cannot be written.
    """
    from safetensors.numpy import save

    header = {"kind": model.kind, "format": FORMAT_VERSION, "versions": _versions(), "layout": dict(model.layout)}
    text = json.dumps(header | {"config": model.config})
    metadata = {_HEADER_KEY: text, "sha256": _digest(text, model.tensors)}
    data = save(dict(model.tensors), metadata)
    try:
        with written_whole(path) as file:
            file.write(data)
    except OSError as error:
        raise ModelFileError(f"{os.fspath(path)} cannot be written: {reason_of(error)}") from error


def read_model_file(path: str | os.PathLike[str]) -> ModelFile:
    """The file's content, after its checksum was verified.

    Raises ModelFileError for a file that is missing, truncated, changed, of another kind or of another format, and for
    an array that is not finite.
    """
    from safetensors import SafetensorError, safe_open

    target = Path(path)
    try:
        _check_is_safetensors(target)
        with safe_open(target, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open is no dict)
    except OSError as error:
        raise ModelFileError(f"{target} cannot be opened: {error.strerror or error}") from error
    except ModelFileError:
        raise
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, MemoryError) as error:
        raise ModelFileError(f"{target} is damaged: {shown(str(error), 200)}; save the model again") from error
    return _checked(target, metadata, tensors)


def _checked(target: Path, metadata: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> ModelFile:
    if _HEADER_KEY not in metadata:
        raise ModelFileError(f"{target} is a safetensors file, but not one that seqae saved")
    text = metadata[_HEADER_KEY]
    if metadata.get("sha256") != _digest(text, tensors):
        raise ModelFileError(f"{target} is damaged: its checksum does not match; save the model again")
    header, config = _header(target, text)
    if header.format < FORMAT_VERSION:
        raise ModelFileError(
            f"{target} has format {header.format}, of seqae {header.versions.get('seqae', 'before')}, which seqae "
            f"{__version__} no longer reads (its format is {FORMAT_VERSION}); fit the model again, or use that seqae"
        )
    if header.format > FORMAT_VERSION:
        raise ModelFileError(
            f"{target} has format {header.format}, but seqae {__version__} reads {FORMAT_VERSION}; upgrade seqae"
        )
    vet_arrays(tensors)
    return ModelFile(header.kind, config, tensors, header.versions, header.layout)


def _header(target: Path, text: str) -> tuple[_Header, Mapping[str, Any]]:
    """The header, and the configuration in it."""
    n_containers = text.count("{") + text.count("[")
    if n_containers > MOST_CONTAINERS + len(text) // CONTAINER_CHARACTERS:
        raise ModelFileError(f"{target} is damaged: its header holds {n_containers} lists and objects")
    try:
        header = {"layout": {}, **as_mapping(json.loads(text), "the header")}  # which files did not tell at first
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{target} is damaged: its header cannot be read; save the model again") from error
    config = as_mapping(header.pop("config", None), "the configuration")
    return decoded(_Header, header, "the header"), config


def _check_is_safetensors(target: Path) -> None:
    """Name common mistakes in plain words before safetensors reports a parser error."""
    with target.open("rb") as file:
        start, size = file.read(512), target.stat().st_size
    known = {b"PK": "a zip archive", b"\x80": "a pickle", b"<": "an HTML or XML page", b"\x89HDF": "an HDF5 file"}
    if not start:
        raise ModelFileError(f"{target} is empty; save the model again")
    is_plausible = len(start) > 8 and start[8:9] == b"{"
    for magic, name in known.items():
        if start.lstrip().startswith(magic) and not is_plausible:
            raise ModelFileError(f"{target} is {name}, not a model that seqae saved")
    if len(start) > 8 and 8 + int.from_bytes(start[:8], "little") > size:
        what = "is truncated or damaged" if is_plausible else "is not a model that seqae saved"
        raise ModelFileError(f"{target} {what}; save the model again")


def _digest(text: str, tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}|{tensor.dtype}|{tensor.shape}|".encode())
        digest.update(np.ascontiguousarray(tensor).data)
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    own = {"python": platform.python_version(), "seqae": __version__}
    return own | {name: version(name) for name in ("torch", "numpy")}
