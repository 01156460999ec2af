"""What a page holds: of each sequence a point, of some also the curves and the vector, within a number of bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..examination.result import Examination
from ..examination.vectors import neighbours_of, reach_of
from .decoding import Decoding
from .packing import Packing, levels, thinned

MOST_POINTS = 20_000
SAMPLED_POINTS = 5_000
DENSITY_SIZE = 128
MOST_CURVE = 1000
LEAST_CURVE = 60
LEAST_SHOWN = 12
MOST_DECODED = 2000
N_NEIGHBOURS = 5
N_BINS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """header: for JSON; packing: its arrays. shown: indices of the sequences whose curves are in it.

    left_out: in sentences, what is not in it.
    """

    header: dict[str, object]
    packing: Packing
    shown: np.ndarray
    left_out: tuple[str, ...]


def content_of(
    examination: Examination,
    decoding: Decoding,
    most_bytes: int,
    *,
    map_name: str = "pca",
    places: np.ndarray | None = None,
) -> Content:
    """All that fits into most_bytes of base64. places: of another map than that of PCA, (n_sequences, 2)."""
    own = examination.map.places if places is None else places
    left_out = []
    packing = Packing()
    if decoding.problem:
        left_out.append(f"Live decoding: {decoding.problem}.")
    elif decoding.n_bytes * 4 / 3 > most_bytes / 2:
        left_out.append(
            f"Live decoding: the decoder's weights take {decoding.n_bytes / 1e6:.1f} MB; a larger --max-size has room."
        )
        decoding = Decoding()
    for name, array in decoding.arrays.items():
        packing.add(f"decoder/{name}", "f4", array)
    mapped, density = _mapped(examination, own)
    header = _of_points(packing, examination, mapped, own)
    if density is not None:
        packing.add("density", "f4", density)
        left_out.append(f"Points: {len(mapped):,} of {len(own):,} sequences are points; the others are the shading.")
    header |= {"map": map_name, "density": density is not None, "reach": _reach(own)}
    shown, curve = _fitting(examination, most_bytes - packing.n_bytes)
    header |= _of_curves(packing, examination, shown, curve)
    header |= _of_vectors(packing, examination, shown, mapped)
    if len(shown) < len(examination):
        left_out.append(
            f"Curves: {len(shown):,} of {len(examination):,} sequences, the worst, the best, typical ones and, evenly "
            "by their error, others."
        )
    if curve < int(examination.source.ragged.lengths[shown].max()):
        left_out.append(f"Steps: curves of more than {curve:,} steps are thinned; every extreme is kept.")
    header |= {"arrays": packing.index, "decoder": decoding.told or None, "most_decoded": MOST_DECODED}
    return Content(header, packing, shown, tuple(left_out))


def _mapped(examination: Examination, places: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The sequences that are points, rising indices, and how many there are in each cell of the map, if not all are."""
    n = len(places)
    if n <= MOST_POINTS:
        return np.arange(n), None
    chosen = np.union1d(np.linspace(0, n - 1, SAMPLED_POINTS).round().astype(int), examination.shown)
    low, high = places.min(axis=0), places.max(axis=0)
    counts, _, _ = np.histogram2d(
        places[:, 1], places[:, 0], bins=DENSITY_SIZE, range=[[low[1], high[1]], [low[0], high[0]]]
    )
    return chosen, counts


def _reach(places: np.ndarray) -> float:
    return reach_of(places, places)


def _of_points(packing: Packing, examination: Examination, mapped: np.ndarray, places: np.ndarray) -> dict[str, object]:
    lengths = examination.source.ragged.lengths
    packing.add("places", "f4", places[mapped])
    packing.add("error", "f4", examination.error[mapped])
    packing.add("length", "i4", lengths[mapped])
    packing.add("kind", "u1", examination.kinds.of[mapped])
    packing.add("mapped", "i4", mapped)
    low, high = places.min(axis=0), places.max(axis=0)
    header: dict[str, object] = {
        "ids": [str(name) for name in examination.source.ids[mapped]],
        "id_name": examination.source.id_name,
        "n_kinds": len(examination.kinds.sizes),
        "bounds": [float(low[0]), float(high[0]), float(low[1]), float(high[1])],
        "usual_error": _finite(np.nanmedian(examination.error)),
        "usual_length": int(np.median(lengths)),
        "labels": None,
    }
    if examination.labels is not None:
        names, own = np.unique(examination.labels.astype(str), return_inverse=True)
        packing.add("label", "u2", own[mapped])
        header["labels"] = names.tolist()
    counts, edges = np.histogram(lengths, bins=min(N_BINS, int(np.ptp(lengths)) + 1))
    header["histogram"] = {"counts": counts.tolist(), "edges": edges.tolist()}
    epochs = examination.history.epochs
    header["epochs"] = [[_finite(epoch.training_loss), _finite(epoch.validation_loss)] for epoch in epochs]
    return header


def _fitting(examination: Examination, most_bytes: int) -> tuple[np.ndarray, int]:
    """The sequences whose curves fit, rising indices, and the most steps of a curve."""
    lengths, n_channels = examination.source.ragged.lengths, examination.errors.shape[1]
    shown, curve = examination.shown, MOST_CURVE
    per_sequence = 4 * (examination.latent_size + n_channels + N_NEIGHBOURS + 4)

    def size() -> float:
        return 4 / 3 * (4 * n_channels * np.minimum(lengths[shown], curve).sum() + per_sequence * len(shown))

    while size() > most_bytes and (len(shown) > LEAST_SHOWN or curve > LEAST_CURVE):
        if len(shown) > LEAST_SHOWN and (curve <= MOST_CURVE // 4 or len(shown) > 4 * LEAST_SHOWN):
            shown = np.sort(_by_interest(examination, shown)[: max(LEAST_SHOWN, int(0.8 * len(shown)))])
        else:
            curve = max(LEAST_CURVE, int(0.8 * curve))
    return shown, curve - curve % 2


def _by_interest(examination: Examination, shown: np.ndarray) -> np.ndarray:
    """The worst, the best and the typical in turn, so that any first part holds some of each."""
    order = shown[np.argsort(-np.nan_to_num(examination.error[shown]), kind="stable")]
    middle = np.argsort(np.abs(np.arange(len(order)) - len(order) // 2), kind="stable")
    ranked = np.stack([order, order[::-1], order[middle]], axis=1).ravel()
    _, first = np.unique(ranked, return_index=True)
    return ranked[np.sort(first)]


def _of_curves(packing: Packing, examination: Examination, shown: np.ndarray, curve: int) -> dict[str, object]:
    at = np.searchsorted(examination.shown, shown)
    sequences, again = examination.source.ragged[shown], examination.again[at]
    is_tokens, n_channels = sequences.is_tokens, examination.errors.shape[1]
    header: dict[str, object] = {"is_tokens": is_tokens, "n_channels": n_channels, "symbols": None}
    if is_tokens:
        pairs = [(np.asarray(a)[:curve], np.asarray(b)[:curve]) for a, b in zip(sequences, again, strict=True)]
        kept, low, step = [len(a) for a, _ in pairs], np.zeros(1), np.ones(1)
        for name, parts in (("data", [a for a, _ in pairs]), ("again", [b for _, b in pairs])):
            packing.add(name, "i4", np.concatenate(parts))
        vocabulary = examination.source.vocabulary
        header["symbols"] = None if vocabulary is None else list(vocabulary)
    else:
        data = [thinned(_observed(sequences, i), curve) for i in range(len(shown))]
        made = [thinned(np.asarray(again[i], np.float64), curve) for i in range(len(shown))]
        kept = [len(part) for part in data]
        rows, others = np.concatenate(data), np.concatenate(made)
        low = np.fmin(np.fmin.reduce(rows), others.min(axis=0))
        high = np.fmax(np.fmax.reduce(rows), others.max(axis=0))
        step = (high - low) / 65534
        packing.add("data", "u2", levels(rows, low, step))
        packing.add("again", "u2", levels(others, low, step))
    packing.add("kept", "i4", np.array(kept))
    names = examination.source.channel_names
    header["channels"] = [
        {"name": name, "low": float(a), "step": float(b)} for name, a, b in zip(names, low, step, strict=True)
    ]
    return header


def _observed(sequences: object, i: int) -> np.ndarray:
    """Sequence i of a Ragged, NaN where nothing was observed. Returns (n_steps, n_channels) float64."""
    one = sequences[[i]].compact()  # pyright: ignore[reportIndexIssue]
    values = np.asarray(one.values, np.float64)
    return values if one.observed is None else np.where(one.observed, values, np.nan)


def _of_vectors(packing: Packing, examination: Examination, shown: np.ndarray, mapped: np.ndarray) -> dict[str, object]:
    vectors = examination.vectors.astype(np.float64)
    own = examination.map
    packing.add("shown", "i4", np.searchsorted(mapped, shown))
    packing.add("vectors", "f4", vectors[shown])
    packing.add("errors", "f4", examination.errors[shown])
    places = np.searchsorted(mapped, shown)
    packing.add("neighbours", "i4", neighbours_of(vectors[mapped], places, N_NEIGHBOURS))
    deviations = vectors.std(axis=0)
    far = np.percentile(np.abs(vectors - own.centre), 99, axis=0)
    for name, array in (
        ("centre", own.centre),
        ("axes", own.axes),
        ("deviations", deviations),
        ("value_reach", np.divide(far, deviations, out=np.zeros_like(far), where=deviations > 0)),
    ):
        packing.add(name, "f4", array)
    return {"vector_reach": reach_of(vectors[mapped], vectors[shown])}


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
