"""What vectors of sequences look like: a plane to draw them on, their neighbours, and whether they fall into groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAMPLE = 2000
MOST_KINDS = 8
MOST_DIRECTIONS = 10
LEAST_SILHOUETTE = 0.25
"""Below it, groups are "no substantial structure" (Kaufman & Rousseeuw 1990, Finding Groups in Data, table 2.4)."""
REACH = 99.0


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """The plane of greatest variance (PCA).   vector = centre + place @ axes, as far as a plane can say.

    centre: (latent_size,); axes: (2, latent_size), orthonormal; places: (n, 2). variances: (latent_size,), along all
    principal axes, falling. reach: 99 % of the places have another one within this distance; 0 where there is only one.
    """

    centre: np.ndarray
    axes: np.ndarray
    places: np.ndarray
    variances: np.ndarray
    reach: float

    @property
    def shares(self) -> np.ndarray:
        """The part of the variance that each axis of the plane shows, (2,)."""
        total = float(self.variances.sum())
        return self.variances[:2] / total if total > 0 else np.zeros(2)


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """Groups of vectors. of: the group of each, (n,) from 0, the largest first; silhouette: how well they are apart.

    One group where the best division into 2 to 8 has a silhouette below 0.25.
    """

    of: np.ndarray
    silhouette: float

    @property
    def sizes(self) -> np.ndarray:
        """Vectors of each group, (n_kinds,)."""
        return np.bincount(self.of)


def map_of(vectors: np.ndarray) -> Map:
    """The plane of greatest variance. vectors: (n, latent_size), n at least 1."""
    rows = np.asarray(vectors, np.float64)
    centre = rows.mean(axis=0)
    values, columns = np.linalg.eigh((rows - centre).T @ (rows - centre) / len(rows))
    variances = np.maximum(values[::-1], 0.0)
    axes = np.zeros((2, rows.shape[1]))
    found = columns.T[::-1][:2]
    largest = np.abs(found).argmax(axis=1)
    axes[: len(found)] = found * np.sign(found[np.arange(len(found)), largest])[:, None]
    places = (rows - centre) @ axes.T
    return Map(centre, axes, places, np.pad(variances, (0, max(0, 2 - len(variances)))), reach_of(places, places))


def reach_of(points: np.ndarray, others: np.ndarray) -> float:
    """The 99th percentile of how far each point is from the nearest other one that is not at the same place.

    points: (n, size); others: (m, size). 0 where no point has another.
    """
    from scipy.spatial import KDTree

    distances, _ = KDTree(others).query(points, k=min(2, len(others)))
    distances = np.asarray(distances).reshape(len(points), -1)
    nearest = np.where(distances[:, 0] > 0, distances[:, 0], distances[:, -1])
    return float(np.percentile(nearest, REACH))


def neighbours_of(vectors: np.ndarray, chosen: np.ndarray, count: int) -> np.ndarray:
    """The nearest other vectors of the chosen ones, the nearest first; fewer than count where there are fewer.

    vectors: (n, latent_size); chosen: (n_chosen,) indices. Returns (n_chosen, min(count, n - 1)) int64.
    """
    rows = np.asarray(vectors, np.float64)
    squares = (rows**2).sum(axis=1)
    count = min(count, len(rows) - 1)
    found = np.empty((len(chosen), count), np.int64)
    for k, i in enumerate(chosen):
        distances = squares - 2 * (rows @ rows[i])
        distances[i] = np.inf
        found[k] = np.argsort(distances, kind="stable")[:count]
    return found


def kinds_of(vectors: np.ndarray) -> Kinds:
    """The division by k-means into 2 to 8 groups with the best silhouette, on the first principal axes.

    vectors: (n, latent_size). A sample of 2,000, evenly chosen, decides; all are then told their group.
    """
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import silhouette_score

    from ..features.linear_algebra import one_thread

    rows = _principal(np.asarray(vectors, np.float64))
    sample = rows[np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).round().astype(int)]
    best, best_score = np.zeros(len(rows), np.int64), 0.0
    n_distinct = len(np.unique(sample.round(9), axis=0))

    @one_thread
    def divided(n_kinds: int) -> tuple[np.ndarray, float]:
        means = KMeans(n_kinds, n_init=4, random_state=0).fit(sample)  # pyright: ignore[reportArgumentType]
        own = np.asarray(means.labels_)
        sizes = np.bincount(own, minlength=n_kinds)
        if sizes.min() < max(2, 0.02 * len(sample)):  # a few strange ones are no kind
            return best, 0.0
        return np.asarray(means.predict(rows)), float(silhouette_score(sample, own))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for n_kinds in range(2, min(MOST_KINDS, n_distinct - 1) + 1):
            found, score = divided(n_kinds)
            if score > best_score + 0.02:  # of nearly equal divisions the one with fewer groups
                best, best_score = found, score
    if best_score < LEAST_SILHOUETTE:
        best = np.zeros(len(rows), np.int64)
    order = np.argsort(-np.bincount(best), kind="stable")
    return Kinds(np.argsort(order)[best], best_score)


def _principal(rows: np.ndarray) -> np.ndarray:
    """Coordinates on the axes that hold 90 % of the variance, at most ten. rows: (n, size)."""
    centred = rows - rows.mean(axis=0)
    values, columns = np.linalg.eigh(centred.T @ centred)
    values, columns = np.maximum(values[::-1], 0), columns[:, ::-1]
    total = values.sum()
    n_axes = 1 + int(np.searchsorted(np.cumsum(values), 0.9 * total)) if total > 0 else 1
    return centred @ columns[:, : min(n_axes, MOST_DIRECTIONS)]
