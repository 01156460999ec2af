"""What vectors of sequences look like: a plane to draw them on, their neighbours, and whether they fall into groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import MissingExtra
from ..features.linear_algebra import one_thread

Method = Literal["pca", "tsne", "umap"]
SAMPLE = 1000
N_CLOUDS = 3
LEAST_SHARE = 0.02
NEARER = 0.8
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

    One group where no division stands out, see kinds_of(); its silhouette is 0.
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


def placed(rows: np.ndarray, method: Method) -> np.ndarray:
    """Vectors on a plane by t-SNE or UMAP. rows: (n, latent_size). Returns (n, 2). Raises MissingExtra."""
    if method == "umap":
        try:
            from umap import UMAP  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise MissingExtra("umap") from error
        return np.asarray(UMAP(random_state=0, n_jobs=1).fit_transform(rows), np.float64)
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(1.0, (len(rows) - 1) / 3))
    if len(rows) < 3:
        return np.zeros((len(rows), 2))
    return np.asarray(TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(rows), np.float64)


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

    Only where it is at least 0.25, and a fifth nearer to 1 than that of a normal cloud of the same deviations: k-means
    divides any cloud (the idea of a reference: Tibshirani, Walther & Hastie 2001).
    vectors: (n, latent_size). A sample of 1,000, evenly chosen, decides; all are then told their group.
    """
    rows = _principal(np.asarray(vectors, np.float64))
    sample = rows[np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).round().astype(int)]
    n_distinct = len(np.unique(sample.round(9), axis=0))
    rng = np.random.default_rng(0)
    clouds = [rng.normal(size=sample.shape) * sample.std(axis=0) for _ in range(N_CLOUDS)]
    best, best_score = np.zeros(len(rows), np.int64), 0.0
    for n_kinds in range(2, min(MOST_KINDS, n_distinct - 1) + 1):
        means, own = _divided(sample, n_kinds)
        if own < max(LEAST_SILHOUETTE, best_score + 0.02):  # of nearly equal divisions the one with fewer groups
            continue
        usual = max(_divided(cloud, n_kinds)[1] for cloud in clouds)
        if 1 - own < NEARER * (1 - usual):
            distances = ((rows[:, None] - means[None]) ** 2).sum(axis=2)
            best, best_score = distances.argmin(axis=1), own
    order = np.argsort(-np.bincount(best), kind="stable")
    return Kinds(np.argsort(order)[best], best_score)


@one_thread
def _divided(rows: np.ndarray, n_kinds: int) -> tuple[np.ndarray, float]:
    """The means of groups, (n_kinds, size), and their silhouette; 0 where one has so few members that it is no kind."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    found = KMeans(n_kinds, n_init=2, random_state=0).fit(rows)  # pyright: ignore[reportArgumentType]
    own = np.asarray(found.labels_)
    is_whole = np.bincount(own, minlength=n_kinds).min() >= max(2, LEAST_SHARE * len(rows))
    return np.asarray(found.cluster_centers_), float(silhouette_score(rows, own)) if is_whole else 0.0


def _principal(rows: np.ndarray) -> np.ndarray:
    """Coordinates on the axes that hold 90 % of the variance, at most ten. rows: (n, size)."""
    centred = rows - rows.mean(axis=0)
    values, columns = np.linalg.eigh(centred.T @ centred)
    values, columns = np.maximum(values[::-1], 0), columns[:, ::-1]
    total = values.sum()
    n_axes = 1 + int(np.searchsorted(np.cumsum(values), 0.9 * total)) if total > 0 else 1
    return centred @ columns[:, : min(n_axes, MOST_DIRECTIONS)]
