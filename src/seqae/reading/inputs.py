"""What an estimator takes: anything that can be read, checked before any work starts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..reading import Source, read, with_own_tokens, with_tokens_of
from ..sequences.checks import MAX_MAGNITUDE, as_counts, check_finite, to_numpy
from ..sequences.ragged import Ragged
from ..sequences.steps import owner_of

CHECKED_STEPS = 1 << 12  # that stay in cache while they are looked at
MAX_DECODED_STEPS = 2**31


@dataclass(frozen=True, slots=True)
class Seen:
    """What fit() saw. n_symbols: None for vectors; vocabulary: the text of each token, None where they are numbers.

    takes_unknown: whether text that is not in the vocabulary becomes the token after its last.
    """

    n_channels: int
    n_symbols: int | None = None
    vocabulary: tuple[str, ...] | None = None
    takes_unknown: bool = False

    @property
    def symbols(self) -> Literal["auto", "words", "characters"] | None:
        """How read() is to take new data."""
        if self.n_symbols is None:
            return None
        texts = self.vocabulary or ()
        return "words" if any(len(text) > 1 for text in texts) else "characters" if " " in texts else "auto"


def take(X: Any, seen: Seen | None = None, *, takes_symbols: bool = False) -> Source:
    """X as sequences of at least one step, finite float32 values or tokens, and the channels that fit() saw.

    seen: None while fitting, and then takes_symbols tells whether symbols are wanted.
    Raises InvalidSequence naming sequence, step and channel.
    """
    symbols = seen.symbols if seen is not None else "auto" if takes_symbols else None
    source = X if isinstance(X, Source) else read(X, symbols=symbols)
    if seen is None:
        source = with_own_tokens(source)
    else:
        source = with_tokens_of(source, seen.vocabulary, takes_unknown=seen.takes_unknown)
    n_channels, n_symbols = (None, None) if seen is None else (seen.n_channels, seen.n_symbols)
    sequences = source.ragged
    if len(sequences) == 0:
        raise InvalidSequence("X holds no sequences; pass at least one")
    if not sequences.lengths.all():
        i = int(np.argmin(sequences.lengths))
        raise InvalidSequence(f"sequence {i} has no steps; drop it, or give it at least one step")
    if n_channels is not None:
        _check_kind(sequences, n_symbols)
    if n_channels is not None and sequences.n_channels != n_channels:
        raise InvalidSequence(
            f"X must have {n_channels} channels as fit() saw, got {sequences.n_channels}; choose the same channels"
        )
    if sequences.is_tokens:
        return replace(source, ragged=_as_int32(sequences))
    if isinstance(X, Ragged):
        _check_values(sequences)
    usable = _as_float32(sequences)
    return source if usable is sequences else replace(source, ragged=usable)


def drop_empty(X: Sequence[Any]) -> list[Any]:
    """The sequences that have steps, for fit() and transform(), which refuse the others; a warning names what went.

    X: a list of arrays whose first axis is steps.
    """
    empty = [i for i, sequence in enumerate(X) if len(sequence) == 0]
    if empty:
        shown = ", ".join(map(str, empty[:20])) + (", ..." if len(empty) > 20 else "")
        warnings.warn(f"dropped {len(empty)} sequences without steps: {shown}", UserWarning, stacklevel=2)
    return [sequence for sequence in X if len(sequence)]


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


def take_latent(Z: Any, latent_size: int) -> np.ndarray:
    """Latent vectors, checked. Returns (n_sequences, latent_size) float32."""
    latent = to_numpy(Z)
    if latent.dtype.kind not in "iuf":
        raise InvalidSequence(f"Z must hold real numbers, got dtype {latent.dtype}")
    if latent.ndim != 2 or latent.shape[1] != latent_size:
        raise InvalidSequence(f"Z must be (n_sequences, {latent_size}) as transform() gives, got shape {latent.shape}")
    is_finite = np.isfinite(latent)
    if not is_finite.all():
        i, k = (int(index) for index in np.argwhere(~is_finite)[0])
        raise InvalidSequence(f"vector {i}, value {k} is {latent[i, k]}; every value of Z must be finite")
    return np.ascontiguousarray(latent, np.float32)


def take_lengths(lengths: Any, n_sequences: int) -> np.ndarray:
    """How long each decoded sequence is to be; one number serves for all. Returns (n_sequences,) int64."""
    counts = as_counts(lengths, "lengths")
    if counts.ndim == 0:
        counts = np.full(n_sequences, counts)
    if counts.shape != (n_sequences,):
        raise InvalidParameter(
            f"lengths must have one number for each of the {n_sequences} vectors, got {counts.shape}"
        )
    if n_sequences and counts.min() < 1:
        i = int(np.argmin(counts))
        raise InvalidParameter(f"lengths[{i}] is {counts[i]}; a sequence has at least one step")
    if (n_sequences and counts.max() > MAX_DECODED_STEPS) or counts.sum() > MAX_DECODED_STEPS:
        raise InvalidParameter(
            f"lengths ask for {int(counts.astype(object).sum())} steps, more than {MAX_DECODED_STEPS}; "
            "decode fewer at a time"
        )
    return counts


def _check_values(sequences: Ragged) -> None:
    """A Ragged made by hand may hold anything; look at all rows first, at sequences to name what is bad."""
    first, end = int(sequences.starts.min()), int((sequences.starts + sequences.lengths).max())
    if sequences.observed is None and _are_usable(sequences.values, first, end):
        return
    for i, sequence in enumerate(sequences):
        for first in range(0, len(sequence), CHECKED_STEPS):
            chunk = to_numpy(sequence[first : first + CHECKED_STEPS])
            if sequences.observed is not None:
                start = sequences.starts[i] + first
                chunk = np.where(to_numpy(sequences.observed[start : start + len(chunk)]), chunk, np.float32(0))
            check_finite(chunk, i, first_step=first)


def _are_usable(values: Any, first: int, end: int) -> bool:
    """Whether all rows from first to end can be used, looked at some at a time."""
    chunks = (to_numpy(values[row : min(row + CHECKED_STEPS, end)]) for row in range(first, end, CHECKED_STEPS))
    return all(chunk.size == 0 or _is_usable(chunk) for chunk in chunks)


def _is_usable(values: np.ndarray) -> bool:
    return bool(values.min() >= -MAX_MAGNITUDE and values.max() <= MAX_MAGNITUDE)  # False for NaN


def _check_kind(sequences: Ragged, n_symbols: int | None) -> None:
    """Tokens that fit() saw, or vectors."""
    if sequences.is_tokens and n_symbols is None:
        raise InvalidSequence("X holds tokens; this architecture takes vectors of (n_steps, n_channels)")
    if not sequences.is_tokens and n_symbols is not None:
        raise InvalidSequence("X holds vectors; this architecture takes tokens (see Ragged.from_tokens)")
    if n_symbols is None:
        return
    for i, sequence in enumerate(sequences):
        if int(sequence.max()) >= n_symbols:
            raise InvalidSequence(
                f"sequence {i} holds token {int(sequence.max())}, but fit() saw only tokens below {n_symbols}; "
                "map unknown tokens to a known one"
            )


def _as_int32(sequences: Ragged) -> Ragged:
    values = to_numpy(sequences.values)
    for i, sequence in enumerate(sequences):
        if int(sequence.min()) < 0:
            raise InvalidSequence(f"sequence {i} holds token {int(sequence.min())}; tokens are numbers from 0")
    return Ragged.view(values.astype(np.int32, copy=False), sequences.starts, sequences.lengths)


def _as_float32(sequences: Ragged) -> Ragged:
    values = to_numpy(sequences.values)
    if values.dtype == np.float32:
        return sequences
    return Ragged.view(values.astype(np.float32), sequences.starts, sequences.lengths, sequences.observed)
