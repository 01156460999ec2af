"""Several files as one Source."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InvalidSequence, SeqaeError
from ..sequences.ragged import Ragged
from .schema import Schema, with_channels_of
from .source import ORDINAL, Source
from .vocabulary import with_tokens_of

FILE = "file"
"""The name of the ids where each file is one sequence."""


def joined(sources: Sequence[Source], paths: Sequence[str | os.PathLike[str]]) -> Source:
    """The sequences of all files, in their order. Channels go by name; ids must differ between the files.

    Where each file is one sequence without an id, the file's name is its id.

    Raises InvalidSequence for files that do not go together.
    """
    sources = _alike(sources, paths)
    first = sources[0]
    ids, id_name = _ids(sources, paths)
    parts = [source.ragged.compact() for source in sources]
    observed = None
    if any(part.observed is not None for part in parts):
        observed = np.concatenate(
            [np.ones(part.values.shape, bool) if part.observed is None else part.observed for part in parts]
        )
    values = np.concatenate([part.values for part in parts])
    ragged = Ragged.back_to_back(values, np.concatenate([part.lengths for part in parts]), observed)
    return replace(first, ragged=ragged, ids=ids, id_name=id_name, times=_times(sources, paths))


def _alike(sources: Sequence[Source], paths: Sequence[str | os.PathLike[str]]) -> list[Source]:
    """With the channels of the first, in its order, and one vocabulary."""
    first = sources[0]
    texts = None
    if all(source.vocabulary is not None for source in sources):
        texts = tuple(sorted(set().union(*(source.vocabulary or () for source in sources))))
    alike = []
    for source, path in zip(sources, paths, strict=True):
        if source.ragged.is_tokens != first.ragged.is_tokens or (source.vocabulary is None) != (texts is None):
            raise InvalidSequence(f"{os.fspath(path)}: its steps are not of the kind of those of {os.fspath(paths[0])}")
        try:
            source = with_tokens_of(source, texts) if texts is not None else source
            alike.append(with_channels_of(source, Schema(first.channel_names), of=f"{os.fspath(paths[0])} has"))
        except SeqaeError as error:
            raise InvalidSequence(f"{os.fspath(path)}: {error}") from error
    return alike


def _ids(sources: Sequence[Source], paths: Sequence[str | os.PathLike[str]]) -> tuple[np.ndarray, str]:
    names = {source.id_name for source in sources}
    if len(names) > 1 or names == {ORDINAL}:
        n_sequences = sum(map(len, sources))
        if all(len(source) == 1 for source in sources):
            return _names(paths), FILE
        return np.arange(n_sequences), ORDINAL
    name = names.pop()
    homes: dict[object, str | os.PathLike[str]] = {}
    for source, path in zip(sources, paths, strict=True):
        for value in source.ids.tolist():
            if homes.setdefault(value, path) != path:
                raise InvalidSequence(
                    f"{name} {value!r} stands in {os.fspath(homes[value])} and in {os.fspath(path)}; join the tables "
                    "if its steps go on from one file to the next, else give every sequence an id of its own"
                )
    return np.concatenate([source.ids for source in sources]), name


def _names(paths: Sequence[str | os.PathLike[str]]) -> np.ndarray:
    """The names of the files, (n_files,) text; their paths where two have one name."""
    names = [Path(path).name for path in paths]
    return np.array(names if len(set(names)) == len(names) else [str(Path(path)) for path in paths], object)


def _times(sources: Sequence[Source], paths: Sequence[str | os.PathLike[str]]) -> np.ndarray | None:
    parts = [source.times if source.times is None else source.times[source.ragged.step_indices()] for source in sources]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    kinds = {"number" if part.dtype.kind in "iuf" else part.dtype.kind for part in known}
    if len(known) < len(parts) or len(kinds) > 1:
        raise InvalidSequence(f"the times of {os.fspath(paths[0])} and of the other files are not of one type")
    return np.concatenate(known)
