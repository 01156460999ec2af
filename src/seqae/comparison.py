"""Which architecture suits the data: the same splits and budget for each, beside linear baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .baselines import MeanSequence, ResampledPCA
from .errors import InvalidParameter, InvalidSequence
from .estimator import SequenceAutoencoder
from .model.presets import PRESETS, Architecture, as_architecture
from .parameters import check_count, check_fraction, check_seed
from .reading import take
from .sequences.ragged import Ragged
from .sequences.scaling import Scaling, fit_scaling
from .sequences.splitting import hold_out

DEFAULT = ("repeat", "stacked", "state", "encdec_ad", "seq2seq", "composite", "variational", "denoising", "conv")
TEST_FRACTION = 0.25
MAX_SEEDS = 100


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One model. Errors are mean squared errors of held-out sequences, each channel in units of its deviation.

    error: mean over sequences, and over seeds. low, high: 95 % confidence interval of that mean over sequences
    (normal). standard_error: of the mean over sequences. accuracy: of logistic regression on the vectors, held out;
    None without labels. n_parameters: learnt numbers. seconds: of fitting one, on average.
    problem: why it could not be fitted; the numbers are then NaN.
    """

    name: str
    error: float
    low: float
    high: float
    standard_error: float
    accuracy: float | None
    n_parameters: int
    seconds: float
    is_baseline: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """rows: the architectures as they were given, then the baselines. recommended: a row's name; reason: why."""

    rows: tuple[ComparedRow, ...]
    recommended: str
    reason: str
    n_training: int
    n_held_out: int

    def to_columns(self) -> dict[str, list[Any]]:
        """The table, column by column."""
        names = ("name", "error", "low", "high", "accuracy", "n_parameters", "seconds", "is_baseline", "problem")
        return {name: [getattr(row, name) for row in self.rows] for name in names}


def compare(
    X: Any,
    y: Any = None,
    *,
    architectures: Sequence[str | Architecture] | Mapping[str, str | Architecture] = DEFAULT,
    n_seeds: int = 3,
    test_fraction: float = TEST_FRACTION,
    random_state: int = 0,
    on_fit: Callable[[str, int], None] | None = None,
    **settings: Any,
) -> Comparison:
    """Fit each architecture n_seeds times on the same sequences, and judge it on the same held-out ones.

    y: (n_sequences,) labels, for the accuracy of a linear probe on the vectors. architectures: names of presets,
    or any Architecture by a name of your own. settings: of SequenceAutoencoder, the same for all; the budget is
    max_epochs. hidden_size and n_layers do not go to architectures that decide them themselves. on_fit is called with
    each name and seed before the work.

    The recommendation is by the one-standard-error rule (Breiman et al. 1984): of all rows whose error is within one
    standard error of the smallest, the one with the fewest learnt numbers, baselines included.
    Raises InvalidParameter if nothing could be fitted, InvalidSequence for fewer than 8 sequences.
    """
    check_count("n_seeds", n_seeds)
    check_seed(random_state)
    named = _named(architectures)
    sequences, labels = take(X).ragged, _labels(y)
    if sequences.is_tokens:
        raise InvalidSequence("compare takes vectors; tokens have no linear baselines")
    split = _split(sequences, labels, check_fraction("test_fraction", test_fraction), random_state)
    rows = []
    for name, architecture in named.items():
        seeds = []
        for seed in range(random_state, random_state + min(n_seeds, MAX_SEEDS)):
            if on_fit is not None:
                on_fit(name, seed)
            seeds.append(seed)
        rows.append(_row(name, architecture, split, seeds, settings))
    rows += _baselines(split, settings.get("latent_size", 32))
    recommended, reason = _recommend(rows)
    return Comparison(tuple(rows), recommended, reason, len(split.training), len(split.held_out))


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """The same for every architecture. labels: of training and held-out sequences, or None."""

    training: Ragged
    held_out: Ragged
    labels: tuple[np.ndarray, np.ndarray] | None
    scaling: Scaling


def _named(architectures: Any) -> dict[str, str | Architecture]:
    if isinstance(architectures, Mapping):
        named = dict(architectures)
    else:
        named = {item if isinstance(item, str) else f"#{k}": item for k, item in enumerate(architectures)}
    if not named:
        raise InvalidParameter("architectures must name at least one", parameter="architectures")
    for architecture in named.values():
        if isinstance(architecture, str) and architecture not in PRESETS:
            raise InvalidParameter(
                f"architectures must be among {', '.join(PRESETS)}, got {architecture!r}", parameter="architectures"
            )
    return named


def _labels(y: Any) -> np.ndarray | None:
    return None if y is None else np.asarray(y)


def _split(sequences: Ragged, labels: np.ndarray | None, fraction: float, seed: int) -> _Split:
    n = len(sequences)
    if labels is not None and labels.shape != (n,):
        raise InvalidParameter(
            f"y must have one label for each of the {n} sequences, got shape {labels.shape}", parameter="y"
        )
    if n < 8:
        raise InvalidSequence(f"compare needs at least 8 sequences to hold some out, got {n}")
    training, held_out = hold_out(n, fraction, (seed, 1), fewest=2, fewest_left=4)
    both = None if labels is None else (labels[training], labels[held_out])
    return _Split(sequences[training], sequences[held_out], both, fit_scaling(sequences[training]))


def _row(
    name: str, architecture: str | Architecture, split: _Split, seeds: list[int], settings: Mapping[str, Any]
) -> ComparedRow:
    errors, accuracies, n_parameters, seconds = [], [], 0, []
    own_sizes = as_architecture(architecture).own_sizes
    given: dict[str, Any] = {"verbose": False} | {key: value for key, value in settings.items() if key not in own_sizes}
    try:
        for seed in seeds:
            ae = SequenceAutoencoder(architecture, random_state=seed, **given).fit(split.training)
            errors.append(_errors(split, ae.reconstruct(split.held_out)))
            n_parameters = sum(parameter.numel() for parameter in ae.model_.parameters())
            seconds.append(ae.history_.seconds)
            if split.labels is not None:
                accuracies.append(_probe(ae.transform(split.training), ae.transform(split.held_out), split.labels))
    except (InvalidParameter, InvalidSequence) as error:  # such as lengths that differ, for `reshape`
        return _left_out(name, str(error))
    accuracy = float(np.mean(accuracies)) if accuracies else None
    return _summarised(name, np.mean(errors, axis=0), accuracy, n_parameters, float(np.mean(seconds)))


def _left_out(name: str, problem: str, *, is_baseline: bool = False) -> ComparedRow:
    nan = float("nan")
    return ComparedRow(name, nan, nan, nan, nan, None, 0, nan, is_baseline, problem)


def _baselines(split: _Split, latent_size: int) -> list[ComparedRow]:
    """The mean sequence, and PCA of the resampled sequences with as many components as vectors have values."""
    if split.training.observed is not None:
        problem = "it needs every value, but some are missing"
        return [_left_out(name, problem, is_baseline=True) for name in ("mean sequence", "PCA of resampled")]
    mean = MeanSequence.fit(split.training)
    pca = ResampledPCA.fit(split.training, latent_size)
    accuracy = None
    if split.labels is not None:
        accuracy = _probe(pca.transform(split.training), pca.transform(split.held_out), split.labels)
    of_mean, of_pca = (_errors(split, baseline.reconstruct(split.held_out)) for baseline in (mean, pca))
    n_of_pca = pca.mean.size + pca.components.size
    return [
        _summarised("mean sequence", of_mean, None, mean.curve.size, 0.0, is_baseline=True),
        _summarised("PCA of resampled", of_pca, accuracy, n_of_pca, 0.0, is_baseline=True),
    ]


def _summarised(
    name: str,
    errors: np.ndarray,
    accuracy: float | None,
    n_parameters: int,
    seconds: float,
    *,
    is_baseline: bool = False,
) -> ComparedRow:
    """errors: (n_held_out,)."""
    error, standard_error = float(errors.mean()), float(errors.std(ddof=1) / np.sqrt(len(errors)))
    low, high = error - 1.96 * standard_error, error + 1.96 * standard_error
    return ComparedRow(name, error, low, high, standard_error, accuracy, n_parameters, seconds, is_baseline)


def _errors(split: _Split, reconstruction: Ragged) -> np.ndarray:
    """Mean squared error of each held-out sequence in scaled units, (n_held_out,); of what was observed."""
    actual = split.held_out.compact()
    squares = ((np.asarray(reconstruction.values, np.float64) - actual.values) / split.scaling.scale) ** 2
    observed = np.ones(squares.shape, bool) if actual.observed is None else np.asarray(actual.observed)
    sums = np.add.reduceat(np.where(observed, squares, 0).sum(axis=1), actual.starts)
    return sums / np.maximum(np.add.reduceat(observed.sum(axis=1), actual.starts), 1)


def _probe(training: np.ndarray, held_out: np.ndarray, labels: tuple[np.ndarray, np.ndarray]) -> float:
    """Accuracy of logistic regression on standardised vectors."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(labels[0])) < 2:
        raise InvalidParameter("y must have at least two labels among the training sequences", parameter="y")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(training, labels[0])
    return float(probe.score(held_out, labels[1]))


def _recommend(rows: Sequence[ComparedRow]) -> tuple[str, str]:
    fitted = [row for row in rows if not row.problem]
    if not any(not row.is_baseline for row in fitted):
        raise InvalidParameter(f"no architecture could be fitted; the first says: {rows[0].problem}")
    best = min(fitted, key=lambda row: row.error)
    limit = best.error + best.standard_error
    eligible = [row for row in fitted if row.error <= limit]
    chosen = min(eligible, key=lambda row: row.n_parameters)
    if chosen is best:
        others = "no smaller model comes within one standard error of it"
        return best.name, f"{best.name} has the smallest held-out error, {best.error:.4g}, and {others}"
    return chosen.name, (
        f"{best.name} has the smallest held-out error, {best.error:.4g}, but {chosen.name} ({chosen.error:.4g}) lies "
        f"within one standard error of it ({best.standard_error:.2g}) and has {chosen.n_parameters:,} learnt numbers "
        f"in place of {best.n_parameters:,}"
    )
