"""Translate the tokens of a Source to the tokens of a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..sequences.checks import to_numpy
from ..sequences.ragged import Ragged, back_to_back, owner_of
from .grouping import plain
from .source import Source, warn

MAX_NUMBER = 1 << 24
"""Whole numbers below this are used as tokens; text with larger numbers gets a vocabulary, which has no gaps."""


UNKNOWN = "<unknown>"
"""The text of the token that stands for symbols of which there are none, or one, in training."""


def with_own_tokens(source: Source) -> Source:
    """For training: whole numbers in text are used as tokens; other text keeps its vocabulary.

    Where unknown symbols are to be a token, symbols that occur once are it, so that it is learnt.
    """
    if source.unknown == "token":
        if source.vocabulary is None:
            raise InvalidParameter(
                "unknown='token' is for symbols that are read as text, but X holds numbers; read it with symbols=",
                parameter="unknown",
            )
        return _with_unknown(source, source.vocabulary)
    if source.vocabulary is None or not all(map(_is_number, source.vocabulary)):
        return source
    return _renumbered(source, np.array([int(text) for text in source.vocabulary], np.int32), None)


def _with_unknown(source: Source, vocabulary: tuple[str, ...]) -> Source:
    counts = np.bincount(to_numpy(source.ragged.values)[source.ragged.step_indices()], minlength=len(vocabulary))
    is_kept = (counts > 1) & np.array([text != UNKNOWN for text in vocabulary])
    tokens = np.where(is_kept, np.cumsum(is_kept) - 1, is_kept.sum()).astype(np.int32)
    return _renumbered(
        source, tokens, (*(text for text, keep in zip(vocabulary, is_kept, strict=True) if keep), UNKNOWN)
    )


def with_tokens_of(source: Source, vocabulary: tuple[str, ...] | None, *, takes_unknown: bool = False) -> Source:
    """For a model with this vocabulary (None: whole numbers); a Source without a vocabulary is unchanged.

    takes_unknown: whether unknown text becomes the token after the last. Else it becomes the token of unknown symbols,
    if the vocabulary has one.

    Raises InvalidSequence naming the first symbol that is not in the vocabulary, unless such are skipped; they get
    token -1 then. Raises InvalidParameter where they are to be a token, and there is none.
    """
    if source.unknown == "token" and UNKNOWN not in (vocabulary or ()):
        raise InvalidParameter(
            "the model has no token for symbols that it never saw; fit it on text that is read with unknown='token', "
            "or take unknown='skip'",
            parameter="unknown",
        )
    if source.vocabulary is None or source.vocabulary == vocabulary:
        return source
    if vocabulary is None:
        tokens = [int(text) if _is_number(text) else -1 for text in source.vocabulary]
    else:
        known = {text: token for token, text in enumerate(vocabulary)}
        own = -1 if source.unknown == "skip" else known.get(UNKNOWN, -1)
        unknown = len(vocabulary) if takes_unknown else own
        tokens = [known.get(text, unknown) for text in source.vocabulary]
    table = np.array(tokens, np.int32)
    if source.unknown != "skip" and (table == -1).any():
        raise InvalidSequence(_unknown(source, int(np.argmin(table)), vocabulary))
    return _renumbered(source, table, vocabulary)


def without_unknown(source: Source, n_symbols: int | None) -> Source:
    """Without the steps whose token is not one of n_symbols, where they are to be skipped; warns how many there were.

    Raises InvalidSequence naming a sequence of which nothing is left.
    """
    ragged = source.ragged
    if source.unknown != "skip" or n_symbols is None or not ragged.is_tokens:
        return source
    rows = ragged.step_indices()
    tokens = to_numpy(ragged.values)[rows]
    is_known = (tokens >= 0) & (tokens < n_symbols)
    if is_known.all():
        return source
    lengths = np.bincount(ragged.owners()[is_known], minlength=len(ragged))
    if not lengths.all():
        i = int(np.argmin(lengths))
        raise InvalidSequence(
            f"{source.id_name} {plain(source.ids[i])!r} holds no symbol that fit() saw; leave the sequence out"
        )
    warn(f"skipped {np.count_nonzero(~is_known):,} of {len(tokens):,} steps, whose symbols fit() never saw")
    times = None if source.times is None else source.times[rows][is_known]
    return replace(source, ragged=back_to_back(tokens[is_known], lengths), times=times)


def as_symbols(sequences: Ragged) -> np.ndarray:
    """The symbol of each step: the token, or the channel that is 1. Returns (n_steps,) int64.

    Raises InvalidSequence if a step has not exactly one 1 among zeros.
    """
    values = to_numpy(sequences.compact().values)
    if sequences.is_tokens:
        return values.astype(np.int64)
    is_one_hot = ((values == 0) | (values == 1)).all(axis=1) & (values.sum(axis=1) == 1)
    if not is_one_hot.all():
        row = int(np.argmin(is_one_hot))
        i, _ = owner_of(row, sequences.lengths)
        raise InvalidSequence(
            f"accuracy is of tokens and one-hot steps, but sequence {i} has a step that is neither; "
            "use score_samples for other data"
        )
    return values.argmax(axis=1)


def _unknown(source: Source, token: int, vocabulary: tuple[str, ...] | None) -> str:
    sequences = source.ragged
    rows = sequences.step_indices()
    place = int(np.argmax(sequences.values[rows] == token))
    i, step = owner_of(place, sequences.lengths)
    known = "whole numbers" if vocabulary is None else f"{len(vocabulary)} symbols: {', '.join(vocabulary[:10])}"
    known += ", ..." if vocabulary is not None and len(vocabulary) > 10 else ""
    text = (source.vocabulary or ())[token]
    where = f"{source.id_name} {plain(source.ids[i])!r}, step {step}"
    return (
        f"{where} is {text!r}, which fit() never saw (it saw {known}); replace it, leave the sequence out, or read the "
        "data with unknown='skip'"
    )


def _renumbered(source: Source, tokens: np.ndarray, vocabulary: tuple[str, ...] | None) -> Source:
    ragged = source.ragged
    renumbered = Ragged.view(tokens[ragged.values], ragged.starts, ragged.lengths)
    return replace(source, ragged=renumbered, vocabulary=vocabulary)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 9 and str(int(text)) == text and int(text) < MAX_NUMBER
