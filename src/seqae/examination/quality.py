"""How much of sequences a model gives back, beside linear methods that know no recurrence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..baselines import MeanSequence, ResampledPCA, explained_variance
from ..sequences.ragged import Ragged
from ..sequences.scaling import Scaling

MOST_VALUES = 20_000_000
N_FOLDS = 4
CLOSE = 0.005
"""Parts of the variance that make no difference worth telling."""


@dataclass(frozen=True, slots=True)
class Quality:
    """A method and the part of the variance that it gives back: 1 is all, 0 what the mean step gives.

    has_seen: whether it learnt from the very sequences that it is measured on; None where that is not known.
    """

    name: str
    explained: float
    has_seen: bool | None


@dataclass(frozen=True, slots=True)
class Measured:
    """rows: the model first, then the mean sequence and PCA. verdict: who does better, in a sentence or two.

    measure: what `explained` is a part of. problem: why nothing stands beside the model, else "".
    """

    rows: tuple[Quality, ...]
    verdict: str
    measure: str = "variance"
    problem: str = ""


def beside_linear(
    sequences: Ragged, explained: float, scaling: Scaling, sizes: tuple[int, ...], learnt_from: Ragged | None
) -> Measured:
    """The model's part of the variance beside the mean sequence and PCA.

    sequences: measured on; learnt_from: what the model learnt from, None where that is not known. PCA then learns
    from these sequences themselves, once from all, and once in four folds, each measured by what it has not seen.
    sizes: of PCA, in components; the verdict is about the first, the values of a vector that are there to be decoded.
    """
    model = Quality("this model", explained, None if learnt_from is None else False)
    problem = _problem(sequences, learnt_from)
    if problem:
        return Measured((model,), "", problem=problem)
    train = _within(sequences if learnt_from is None else learnt_from)

    def part(method: MeanSequence | ResampledPCA, test: Ragged) -> float:
        return explained_variance(test, method.reconstruct(test), scaling)

    if learnt_from is not None:
        mean = Quality("mean sequence", part(MeanSequence.fit(train), sequences), False)
        linear = [part(ResampledPCA.fit(train, size), sequences) for size in sizes]
        rows = [Quality(_pca_name(size, train), own, False) for size, own in zip(sizes, linear, strict=True)]
        return Measured((model, mean, *rows), _verdict(explained, linear[0], rows[0].name))
    mean = Quality("mean sequence", part(MeanSequence.fit(train), train), True)
    unseen = [Quality(_pca_name(size, train, N_FOLDS), _in_folds(size, train, scaling), False) for size in sizes]
    # PCA that has seen so few sequences that it has a component for each of them gives all of them back.
    size = sizes[0]
    seen = None
    if len(train) >= 4 * size:
        seen = Quality(_pca_name(size, train), part(ResampledPCA.fit(train, size), train), True)
    rows = (model, mean, *unseen, *(() if seen is None else (seen,)))
    known = None if seen is None else seen.explained
    return Measured(rows, _verdict_of_unknown(explained, unseen[0].explained, known, unseen[0].name))


def of_symbols(sequences: Ragged, share: float, n_symbols: int) -> Measured:
    """The share of steps whose symbol is given back, beside that of the commonest one. sequences: tokens."""
    values = sequences.values[sequences.step_indices()]
    counts = np.bincount(values[values < n_symbols], minlength=n_symbols)
    commonest = float(counts.max() / max(len(values), 1))
    rows = (Quality("this model", share, None), Quality("always the commonest symbol", commonest, True))
    better = "more" if share > commonest + CLOSE else "no more"
    return Measured(rows, f"The model gives back {better} symbols than always the commonest would.", measure="steps")


def _problem(sequences: Ragged, learnt_from: Ragged | None) -> str:
    if len(sequences) < 2 * N_FOLDS and learnt_from is None:
        return "there are too few sequences to learn a linear method from"
    return ""


def _within(sequences: Ragged) -> Ragged:
    """All of them, or as many, evenly chosen, as a table of 20 million values holds."""
    per_sequence = int(sequences.lengths.max()) * sequences.n_channels
    count = max(2 * N_FOLDS, MOST_VALUES // per_sequence)
    if len(sequences) <= count:
        return sequences
    return sequences[np.linspace(0, len(sequences) - 1, count).round().astype(np.int64)]


def _in_folds(n_components: int, sequences: Ragged, scaling: Scaling) -> float:
    """The part of the variance that PCA gives back of the folds that it has not seen."""
    fold = np.arange(len(sequences)) % N_FOLDS
    made, order = [], []
    for k in range(N_FOLDS):
        test = np.flatnonzero(fold == k)
        pca = ResampledPCA.fit(sequences[np.flatnonzero(fold != k)], n_components)
        made.append(pca.reconstruct(sequences[test]).values)
        order.append(test)
    order = np.concatenate(order)
    tested = sequences[order].compact()
    return explained_variance(tested, Ragged.back_to_back(np.concatenate(made), tested.lengths), scaling)


def _pca_name(n_components: int, train: Ragged, n_folds: int = 0) -> str:
    most = len(train) - (-(-len(train) // n_folds) if n_folds else 0)
    rows = int(train.lengths.max()) * train.n_channels
    return f"PCA, {min(n_components, most, rows)} components"


def _verdict(model: float, linear: float, name: str) -> str:
    """Where neither has seen the sequences. linear: of the PCA of that name."""
    told = f"({model:.1%} beside {linear:.1%} of the variance; {name})"
    if model > linear + CLOSE:
        return f"The model gives back more than PCA {told}. Neither has seen these sequences."
    if model < linear - CLOSE:
        return (
            f"PCA gives back more than the model {told}. Neither has seen these sequences. If all you need is the "
            "reconstruction, use PCA."
        )
    return f"The model gives back as much as PCA {told}: a linear method does as well."


def _verdict_of_unknown(model: float, unseen: float, seen: float | None, name: str) -> str:
    """Where it is not known whether the model learnt from these sequences. unseen, seen: of PCA of that name."""
    if model < unseen - CLOSE:
        return (
            f"PCA gives back more than the model ({unseen:.1%} beside {model:.1%} of the variance; {name}), even of "
            "sequences that it has not seen. If all you need is the reconstruction, use PCA."
        )
    if seen is not None and model > seen + CLOSE:
        return (
            f"The model gives back more than PCA ({model:.1%} beside {seen:.1%} of the variance; {name}), even where "
            "PCA has learnt from these very sequences."
        )
    if model > unseen + CLOSE:
        return (
            f"The model gives back more ({model:.1%} of the variance) than PCA does of sequences that it has not seen "
            f"({unseen:.1%}; {name}). If the model learnt from these sequences, that flatters it."
        )
    return (
        f"The model gives back about as much as PCA ({model:.1%} beside {unseen:.1%} of the variance; {name}): a "
        "linear method does as well."
    )
