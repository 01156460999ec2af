"""How well vectors can be read and decoded, and whether methods differ over data sets."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from seqae.baselines import explained_variance
from seqae.sequences.scaling import fit_scaling

from .vector_methods import Vectors
from .vector_sets import LabelledSet

PENALTIES = np.logspace(-3, 3, 7)


@dataclass(frozen=True, slots=True)
class Score:
    """Of test sequences; NaN where a method has no such thing.

    probe: accuracy of logistic regression, its penalty chosen on training vectors; nearest: of the nearest neighbour;
    rand: adjusted Rand index of k-means with as many clusters as classes; explained: part of the variance that is
    reconstructed, channels scaled by training; lengths: part of the lengths told exactly; seconds: of fitting.
    """

    probe: float
    nearest: float
    rand: float
    explained: float
    lengths: float
    seconds: float
    size: int

    def to_dict(self) -> dict[str, float]:
        """By name."""
        return asdict(self)


def score(data: LabelledSet, vectors: Vectors) -> Score:
    """All of one method on one set; vectors are standardised by the training ones first."""
    scaler = StandardScaler().fit(vectors.train)
    train, test = (np.nan_to_num(scaler.transform(part)) for part in (vectors.train, vectors.test))
    nearest = KNeighborsClassifier(1).fit(train, data.train_labels).score(test, data.test_labels)
    clusters = KMeans(len(np.unique(data.train_labels)), n_init=5, random_state=0).fit_predict(test)
    told = np.nan if vectors.lengths is None else float(np.mean(vectors.lengths == data.test.lengths))
    made, explained = vectors.reconstruction, np.nan
    if made is not None:
        explained = explained_variance(data.test, made, fit_scaling(data.train))
    return Score(
        probe=_probe(train, test, data),
        nearest=float(nearest),
        rand=float(adjusted_rand_score(data.test_labels, clusters)),
        explained=explained,
        lengths=told,
        seconds=vectors.fit_seconds,
        size=train.shape[1],
    )


def _probe(train: np.ndarray, test: np.ndarray, data: LabelledSet) -> float:
    counts = np.bincount(data.train_labels)
    folds = StratifiedKFold(int(np.clip(counts[counts > 0].min(), 2, 5)), shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probe = LogisticRegressionCV(Cs=PENALTIES, max_iter=2000, cv=folds).fit(train, data.train_labels)
    return float(probe.score(test, data.test_labels))


def mean_ranks(table: np.ndarray) -> np.ndarray:
    """table: (n_sets, n_methods), higher is better. Returns (n_methods,), 1 is best; ties share their ranks."""
    from scipy.stats import rankdata

    return rankdata(-table, axis=1).mean(axis=0)


def critical_difference(n_methods: int, n_sets: int) -> float:
    """Of mean ranks, at 5 % (Nemenyi; Demsar 2006)."""
    from scipy.stats import studentized_range

    quantile = studentized_range.ppf(0.95, n_methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_sets)))
