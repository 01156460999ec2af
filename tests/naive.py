"""Oracles: the equations as plain NumPy loops, one sequence, one step, one unit at a time where it helps reading."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Array = np.ndarray


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def lstm(
    x: Array, weights: Sequence[Array], state: tuple[Array, Array] | None = None, *, relu: bool = False
) -> tuple[Array, tuple[Array, Array]]:
    """One sequence through one LSTM layer. x: (n_steps, input_size); weights: W_ih, W_hh, b_ih, b_hh (i f g o)."""
    w_ih, w_hh, b_ih, b_hh = weights
    size = w_hh.shape[1]
    activate = (lambda v: np.maximum(v, 0)) if relu else np.tanh
    h, c = (np.zeros(size), np.zeros(size)) if state is None else state
    outputs = np.zeros((len(x), size))
    for t, step in enumerate(x):
        i, f, g, o = np.split(w_ih @ step + b_ih + w_hh @ h + b_hh, 4)
        c = sigmoid(f) * c + sigmoid(i) * activate(g)
        h = sigmoid(o) * activate(c)
        outputs[t] = h
    return outputs, (h, c)


def gru(
    x: Array, weights: Sequence[Array], state: tuple[Array] | None = None, *, relu: bool = False
) -> tuple[Array, tuple[Array]]:
    """One sequence through one GRU layer; the reset gate acts after the product (r z n)."""
    w_ih, w_hh, b_ih, b_hh = weights
    size = w_hh.shape[1]
    activate = (lambda v: np.maximum(v, 0)) if relu else np.tanh
    h = np.zeros(size) if state is None else state[0]
    outputs = np.zeros((len(x), size))
    for t, step in enumerate(x):
        x_r, x_z, x_n = np.split(w_ih @ step + b_ih, 3)
        h_r, h_z, h_n = np.split(w_hh @ h + b_hh, 3)
        z = sigmoid(x_z + h_z)
        n = activate(x_n + sigmoid(x_r + h_r) * h_n)
        h = (1 - z) * n + z * h
        outputs[t] = h
    return outputs, (h,)


def value_loss(kind: str, prediction: float, target: float) -> float:
    error = prediction - target
    if kind == "mse":
        return error**2
    if kind == "mae":
        return abs(error)
    if kind == "huber":
        return 0.5 * error**2 if abs(error) <= 1 else abs(error) - 0.5
    p = 1 / (1 + np.exp(-prediction))
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def mean_loss(
    kind: str, predictions: Sequence[Array], targets: Sequence[Array], observed: Sequence[Array], *, per_sequence: bool
) -> float:
    """Loops over every value. predictions, targets, observed: one (n_i, n_channels) array per sequence."""
    means, total, count = [], 0.0, 0
    for prediction, target, is_observed in zip(predictions, targets, observed, strict=True):
        losses = [
            value_loss(kind, prediction[index], target[index])
            for index in np.ndindex(target.shape)
            if is_observed[index]
        ]
        total += sum(losses)
        count += len(losses)
        means.append(sum(losses) / max(len(losses), 1))
    return float(np.mean(means)) if per_sequence else total / max(count, 1)


def ngram_likelihoods(known: Sequence[Sequence[int]], sequence: Sequence[int], n_symbols: int, longest: int) -> Array:
    """Witten and Bell's interpolated n-grams, counted anew for every context. Returns (n_steps,) probabilities."""

    def followers(context: tuple[int, ...]) -> list[int]:
        size = len(context)
        started = [(-1, *other) for other in known]
        return [s[i] for s in started for i in range(max(size, 1), len(s)) if tuple(s[i - size : i]) == context]

    def likelihood(symbol: int, context: tuple[int, ...]) -> float:
        lower = likelihood(symbol, context[1:]) if context else 1 / (n_symbols + 1)
        seen = followers(context)
        n_kinds = len(set(seen))
        return (seen.count(symbol) + n_kinds * lower) / (len(seen) + n_kinds) if seen else lower

    started = (-1, *sequence)
    contexts = [started[max(0, i - longest + 1) : i] for i in range(1, len(started))]
    return np.array([likelihood(symbol, context) for symbol, context in zip(sequence, contexts, strict=True)])


def nearest_bag(known: Sequence[Sequence[int]], sequence: Sequence[int], content: str) -> float:
    """Distance of the sequence's bag to the nearest known one, both scaled to length 1."""

    def bag(symbols: Sequence[int]) -> dict[tuple[int, ...], float]:
        words = [(s,) for s in symbols] if content == "symbols" else list(zip((-1, *symbols), symbols, strict=False))
        numbers = {word: 1.0 if content == "symbols" else float(words.count(word)) for word in words}
        norm = sum(number**2 for number in numbers.values()) ** 0.5
        return {word: number / norm for word, number in numbers.items()}

    own = bag(sequence)
    others = [bag(other) for other in known]
    distances = [sum((own.get(w, 0) - other.get(w, 0)) ** 2 for w in own | other) ** 0.5 for other in others]
    return min(distances)


def nearest_parts(
    known: Array, starts: Sequence[int], parts: Array, *, sees_level: bool, is_scaled: bool
) -> list[float]:
    """Distance of each part to the nearest known one, in whitened principal components, of parts less their means or
    not; scaled by that one's distance to the nearest that it shares no step with, plus the 0.9 quantile of these.

    known, parts: (n_parts, n_steps, n_channels), scaled; starts: the first step of each known one.
    """
    if not sees_level:
        known, parts = (x - x.mean(axis=1, keepdims=True) for x in (known, parts))
    flat = known.reshape(len(known), -1)
    variances, axes = np.linalg.eigh(np.cov(flat.T, bias=True))
    n_directions = flat.shape[1] - (0 if sees_level else known.shape[2])
    kept = np.argsort(-variances)[: min(max(20, len(known) // 8), n_directions)]
    whitener = axes[:, kept] / np.sqrt(variances[kept] + 0.05 * variances[kept].mean())
    memory = flat @ whitener
    own = []
    for i, start in enumerate(starts):
        apart = [k for k, other in enumerate(starts) if abs(other - start) >= known.shape[1]]
        own.append(min((float(np.linalg.norm(memory[i] - memory[k])) for k in apart), default=np.nan))
    large = np.nanquantile(own, 0.9)
    usual = large + np.where(np.isnan(own), large, own) if is_scaled else np.ones(len(own))
    distances = [np.linalg.norm(memory - part.ravel() @ whitener, axis=1) for part in parts]
    return [float(each.min() / usual[each.argmin()]) for each in distances]


def reading_matrix(n: int, n_points: int) -> Array:
    """R (n, n_points): linear interpolation of a grid of relative time at n steps, the middle for one step."""
    R = np.zeros((n, n_points))
    for t in range(n):
        place = (n_points - 1) * (t / (n - 1) if n > 1 else 0.5)
        for j in range(n_points):
            R[t, j] = max(0.0, 1 - abs(place - j))
    return R


def filled_in(values: Array, observed: Array) -> Array:
    """Missing values between their neighbours in time, or like the nearest at an end; 0 where there is none."""
    out = np.zeros(values.shape)
    for c in range(values.shape[1]):
        known = np.flatnonzero(observed[:, c])
        if len(known):
            out[:, c] = np.interp(np.arange(len(values)), known, values[known, c])
    return out


def sequence_statistics(values: Array, observed: Array) -> Array:
    """Mean, deviation, minimum, maximum, first, last of each channel, by channel within each; then the length."""
    kinds = np.zeros((6, values.shape[1]))
    for c in range(values.shape[1]):
        x = [float(v) for v, is_observed in zip(values[:, c], observed[:, c], strict=True) if is_observed] or [0.0]
        mean = sum(x) / len(x)
        deviation = (sum((v - mean) ** 2 for v in x) / len(x)) ** 0.5
        kinds[:, c] = mean, deviation, min(x), max(x), x[0], x[-1]
    return np.append(kinds.ravel(), len(values))


def convolution(values: Array, channels: Array, kernel: Sequence[float], dilation: int) -> Array:
    """One dilated convolution of the sum of some channels, zero outside of the sequence. Returns (n_steps,)."""
    y = values[:, channels].sum(axis=1)
    spread = np.zeros((len(kernel) - 1) * dilation + 1)
    spread[::dilation] = kernel[::-1]
    margin = len(kernel) // 2 * dilation
    return np.convolve(y, spread)[margin : margin + len(y)] if len(y) else y


def nearest(queries: np.ndarray, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the k nearest vectors of each query and their Euclidean distances; of equal ones the first."""
    indices, distances = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
    for i, query in enumerate(queries):
        apart = []
        for j, vector in enumerate(vectors):
            total = sum((float(a) - float(b)) ** 2 for a, b in zip(query, vector, strict=True))
            apart.append((total**0.5, j))
        apart.sort()
        for rank in range(k):
            distances[i, rank], indices[i, rank] = apart[rank]
    return indices, distances
