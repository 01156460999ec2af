"""Results as JSON or as an Arrow table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.responses import JSONResponse, Response

from ..reading.source import Source
from ..sequences.ragged import Ragged
from . import bodies

Columns = Mapping[str, object]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What was read, and an operation's result for it."""

    source: Source
    value: Any


Told = tuple[dict[str, object], Columns]
Shape = Callable[[Answer], Told]


def respond(shape: Shape, answer: Answer, *, as_arrow: bool) -> Response:
    """An answer as a response. shape: gives its JSON and its table."""
    told, columns = shape(answer)
    if as_arrow:
        return Response(bodies.arrow_of(columns), media_type=bodies.ARROW)
    return JSONResponse(told)


def vectors(answer: Answer) -> Told:
    """{"vectors": (n_sequences, latent_size)}; one row per sequence: its id, z0, z1, ..."""
    found = np.asarray(answer.value)
    columns = {answer.source.id_name: answer.source.ids} | {f"z{k}": part for k, part in enumerate(found.T)}
    return {"vectors": found.tolist()}, columns


def sequences(answer: Answer) -> Told:
    """{"sequences": of (n_steps, n_channels) each}, symbols as text; one row per step: id, step, channels."""
    found, source = answer.value.compact(), answer.source
    names = source.channel_names if source.vocabulary is None else ("token",)
    ids = {source.id_name: np.repeat(source.ids, found.lengths), "step": found.step_numbers()}
    if source.vocabulary is None:
        told, columns = [np.asarray(sequence).tolist() for sequence in found], np.asarray(found.values).T
    else:
        texts = np.array(source.vocabulary, object)
        told, columns = [texts[sequence].tolist() for sequence in found], [texts[np.asarray(found.values)]]
    return {"sequences": told}, ids | dict(zip(names, columns, strict=True))


def scores(answer: Answer) -> Told:
    """{"scores": one for each sequence, or a list for each where steps are scored}, null where there is none."""
    found, source = answer.value, answer.source
    steps = getattr(found, "lengths", None)
    if steps is None:
        return {"scores": bodies.plain(np.asarray(found))}, {source.id_name: source.ids, "score": np.asarray(found)}
    ragged = found.compact()
    columns = {
        source.id_name: np.repeat(source.ids, ragged.lengths),
        "step": ragged.step_numbers(),
        "score": np.asarray(ragged.values)[:, 0],
    }
    return {"scores": [bodies.plain(part[:, 0]) for part in ragged]}, columns


def intervals(answer: Answer) -> Told:
    """{"intervals": one object for each}; one row per interval."""
    columns = answer.value.to_frame()
    rows = [{name: _told(value) for name, value in row.items()} for row in columns.to_pylist()]
    return {"intervals": rows}, {name: columns[name] for name in columns.column_names}


def neighbours(answer: Answer) -> Told:
    """{"neighbours": for each sequence its nearest vectors: ids and distances}."""
    found = answer.value
    ids, distances = bodies.plain(found.ids), found.distances.tolist()
    told = [{"ids": i, "distances": d} for i, d in zip(ids, distances, strict=True)]
    return {"neighbours": told}, found.to_columns()


def _told(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def source_of_vectors(found: Ragged, names: tuple[str, ...], vocabulary: tuple[str, ...] | None) -> Source:
    """What stands for the data of decoded sequences, which have none."""
    return Source(found, np.arange(len(found)), None, names, vocabulary=vocabulary)
