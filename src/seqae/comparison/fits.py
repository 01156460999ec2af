"""compare(): the same splits and budget for each architecture, beside linear baselines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict, Unpack

import numpy as np

from ..baselines import MeanSequence, ResampledPCA, explained_variance
from ..errors import InvalidParameter, InvalidSequence
from ..estimator import SequenceAutoencoder
from ..model.building import n_learnt
from ..model.losses import Loss
from ..model.plans import LATENT_SIZE, Plan
from ..model.presets import AUTO, PRESETS, as_architecture
from ..parameters import DEFAULTS, check_choice, check_count, check_fraction, check_seed
from ..reading import take
from ..sequences.ragged import Ragged, hold_out
from ..sequences.scaling import Scaling, fit_scaling
from ..training.history import Epoch, Meter
from .result import ComparedRow, ComparedRun, Comparison, Measured, accuracies, left_out, recommend, summarised

DEFAULT = (
    "hybrid",
    "linear",
    "repeat",
    "stacked",
    "state",
    "encdec_ad",
    "seq2seq",
    "composite",
    "variational",
    "denoising",
    "conv",
)
TEST_FRACTION = 0.25
Size = int | Literal["auto"]
INTERRUPTED = "interrupted before it was fitted"


class Settings(TypedDict, total=False):
    """Parameters that compare() passes to every SequenceAutoencoder."""

    hidden_size: int | None
    n_layers: int | None
    cell: Literal["lstm", "gru"]
    loss: str | Loss
    scale: bool
    quality: Literal["fast", "good", "best"]
    max_epochs: int | Literal["auto"]
    batch_size: int | Literal["auto"]
    learning_rate: float
    validation_fraction: float
    patience: int | Literal["auto"] | None
    device: str


def compare(
    X: object,
    y: object = None,
    *,
    architectures: Sequence[str | Plan] | Mapping[str, str | Plan] = DEFAULT,
    latent_size: Size | Sequence[Size] = DEFAULTS.latent_size,
    n_seeds: int = 3,
    test_fraction: float = TEST_FRACTION,
    random_state: int = 0,
    interrupt: Literal["raise", "keep"] = "raise",
    verbose: bool | Literal["auto"] = "auto",
    on_fit: Callable[[str, int], None] | None = None,
    **settings: Unpack[Settings],
) -> Comparison:
    """Fit each architecture n_seeds times to the same sequences, and measure it on the same held-out ones.

    y: (n_sequences,) labels, numbers or text, for the accuracy of the nearest neighbour and of a linear probe.
    architectures: names of presets, or a dict of descriptions by your own names.
    latent_size: one size, or several; each architecture is fitted with each. "auto" is each architecture's own, and
        PCA then has 32 components, as many as values of a hybrid decode.
    interrupt: what Ctrl-C does. "raise" raises KeyboardInterrupt; "keep" returns the fits so far.
    verbose: "auto" and True show progress on stderr. on_fit is called with each name and seed before the work.
    settings: of SequenceAutoencoder, the same for all; the budget is quality or max_epochs. hidden_size and n_layers
        are not passed to architectures that determine them.

    The recommendation is by the one-standard-error rule (Breiman et al. 1984): of all rows whose error is within one
    standard error of the smallest, baselines included, and with labels of those whose accuracy is within one of the
    best, the one with the fewest learnt numbers. Where that is not the hybrid, the reason says how the hybrid compares.
    Raises InvalidParameter if nothing could be fitted, InvalidSequence for fewer than 8 sequences.
    """
    check_choice("interrupt", interrupt, ("raise", "keep"))
    seeds = range(check_seed(random_state), random_state + check_count("n_seeds", n_seeds))
    sizes = _sizes(latent_size)
    tasks = [_Task(*named, size, is_one=len(sizes) == 1) for named in _named(architectures).items() for size in sizes]
    sequences = take(X).ragged
    if sequences.is_tokens:
        raise InvalidSequence("compare takes vectors; tokens have no linear baselines")
    split = _split(sequences, y, check_fraction("test_fraction", test_fraction), random_state)
    watch = _Watch(len(tasks) * len(seeds), verbose, on_fit)
    rows, runs = _all_fitted(tasks, seeds, split, settings, watch)
    if interrupt == "raise" and any(row.is_cut for row in rows):
        raise KeyboardInterrupt("the comparison was interrupted")
    rows += _baselines(split, sizes)
    recommended, reason = recommend(rows, len(split.held_out))
    return Comparison(tuple(rows), tuple(runs), recommended, reason, len(split.training), len(split.held_out))


@dataclass(frozen=True, slots=True)
class _Task:
    """The subject of a row. is_one: whether there is only one latent size, so that names can omit it."""

    given_name: str
    architecture: str | Plan
    latent_size: Size
    is_one: bool

    @property
    def known_size(self) -> int | None:
        """None before a fit has chosen it."""
        return None if self.latent_size == AUTO else self.latent_size

    @property
    def name(self) -> str:
        return self.given_name if self.is_one else _with_size(self.given_name, self.latent_size)


PARTS_OF_FIT = 1000


class _Watch:
    """Progress of all fits together; a callback of each."""

    def __init__(self, n_fits: int, verbose: bool | str, on_fit: Callable[[str, int], None] | None) -> None:
        self._meter = Meter("comparing", n_fits * PARTS_OF_FIT) if verbose else None
        self._n_epochs, self._n_left, self._on_fit = 1, 0, on_fit

    def begin(self, name: str, seed: int) -> None:
        """Of a fit."""
        self._n_left = PARTS_OF_FIT
        if self._on_fit is not None:
            self._on_fit(name, seed)
        if self._meter is not None:
            self._meter.tell(f"{name}, seed {seed}", "")

    def on_train_start(self, n_epochs: int, n_batches: int, n_done: int) -> None:
        """Of a fit that trains."""
        self._n_epochs = n_epochs

    def on_epoch_end(self, epoch: Epoch) -> None:
        """One epoch further."""
        self._further(PARTS_OF_FIT // self._n_epochs)

    def end(self) -> None:
        """Of a fit, which may have stopped early."""
        self._further(self._n_left)

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._meter is not None:
            self._meter.stop()

    def _further(self, n_parts: int) -> None:
        self._n_left -= n_parts
        if self._meter is not None:
            self._meter.advance(n_parts)


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """The same for every architecture. labels: of training and held-out sequences, or None."""

    training: Ragged
    held_out: Ragged
    labels: tuple[np.ndarray, np.ndarray] | None
    scaling: Scaling


def _named(architectures: Sequence[str | Plan] | Mapping[str, str | Plan]) -> dict[str, str | Plan]:
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


def _sizes(latent_size: Size | Sequence[Size]) -> tuple[Size, ...]:
    given = latent_size if isinstance(latent_size, Iterable) and not isinstance(latent_size, str) else (latent_size,)
    sizes: tuple[Size, ...] = tuple(
        dict.fromkeys(AUTO if size == AUTO else check_count("latent_size", size) for size in given)
    )
    if not sizes:
        raise InvalidParameter("latent_size must be a whole number or several, got none", parameter="latent_size")
    return sizes


def _with_size(name: str, latent_size: Size) -> str:
    if latent_size == AUTO:
        return f"{name}, auto"
    return f"{name}, {latent_size} value{'s' if latent_size > 1 else ''}"


def _split(sequences: Ragged, y: object, fraction: float, seed: int) -> _Split:
    n, labels = len(sequences), None if y is None else np.asarray(y)
    if labels is not None and labels.shape != (n,):
        raise InvalidParameter(
            f"y must have one label for each of the {n} sequences, got shape {labels.shape}", parameter="y"
        )
    if n < 8:
        raise InvalidSequence(f"compare needs at least 8 sequences to hold some out, got {n}")
    training, held_out = hold_out(n, fraction, (seed, 1), fewest=2, fewest_left=4)
    both = None if labels is None else (labels[training], labels[held_out])
    return _Split(sequences[training], sequences[held_out], both, fit_scaling(sequences[training]))


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """A run with what its row is made of."""

    run: ComparedRun
    measured: Measured


def _all_fitted(
    tasks: Sequence[_Task], seeds: Sequence[int], split: _Split, settings: Settings, watch: _Watch
) -> tuple[list[ComparedRow], list[ComparedRun]]:
    """A row for each task, and all runs; an interrupt cuts the current row and all that follow."""
    rows: list[ComparedRow] = []
    runs: list[ComparedRun] = []
    for task in tasks:
        if rows and rows[-1].is_cut:
            rows.append(left_out(task.name, INTERRUPTED, task.known_size, is_cut=True))
            continue
        row, of_row = _row(task, seeds, split, settings, watch)
        rows.append(row)
        runs += of_row
    watch.stop()
    return rows, runs


def _row(
    task: _Task, seeds: Sequence[int], split: _Split, settings: Settings, watch: _Watch
) -> tuple[ComparedRow, list[ComparedRun]]:
    fits: list[_Fit] = []
    is_cut = False
    try:
        for seed in seeds:
            watch.begin(task.name, seed)
            fits.append(_fit(task, seed, split, settings, watch))
            watch.end()
            if fits[-1].run.history.stopped_by == "interrupt":
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        is_cut = True
    except (InvalidParameter, InvalidSequence) as error:  # such as lengths that differ, for `reshape`
        return left_out(task.name, str(error), task.known_size), []
    if not fits:
        return left_out(task.name, INTERRUPTED, task.known_size, is_cut=True), []
    runs = [fit.run for fit in fits]
    measured = [fit.measured for fit in fits]
    return summarised(task.name, runs[0].latent_size, measured, is_cut=is_cut), runs


def _fit(task: _Task, seed: int, split: _Split, settings: Settings, watch: _Watch) -> _Fit:
    own_sizes = as_architecture(task.architecture).own_sizes
    given: dict[str, Any] = {name: value for name, value in settings.items() if name not in own_sizes}
    fixed = {"latent_size": task.latent_size, "random_state": seed, "verbose": False, "callbacks": (watch,)}
    started = time.perf_counter()
    ae = SequenceAutoencoder(task.architecture, **given, **fixed).fit(split.training, interrupt="keep")
    seconds = time.perf_counter() - started
    made = ae.reconstruct(split.held_out)
    vectors = None if split.labels is None else (ae.transform(split.training), ae.transform(split.held_out))
    n_parameters = n_learnt(ae.model_, is_trained=ae.history_.best_epoch > 0)
    measured = _measured(split, made, vectors, n_parameters=n_parameters, seconds=seconds)
    measured = replace(measured, is_falling=ae.history_.is_falling)
    error = float(measured.errors.mean())
    run = ComparedRun(task.name, ae.latent_size_, seed, error, measured.accuracy, measured.nearest, ae.history_)
    return _Fit(run, measured)


def _baselines(split: _Split, given: Sequence[Size]) -> list[ComparedRow]:
    """The mean sequence, and PCA of the resampled sequences with as many components as vectors have values."""
    sizes = tuple(dict.fromkeys(LATENT_SIZE if size == AUTO else size for size in given))
    of_pca = "PCA of resampled"
    named = {size: of_pca if len(sizes) == 1 else _with_size(of_pca, size) for size in sizes}
    mean = MeanSequence.fit(split.training)
    of_mean = _measured(split, mean.reconstruct(split.held_out), None, n_parameters=mean.curve.size)
    row = summarised("mean sequence", None, [of_mean], is_baseline=True)
    return [row, *(_row_of_pca(name, size, split) for size, name in named.items())]


def _row_of_pca(name: str, size: int, split: _Split) -> ComparedRow:
    pca = ResampledPCA.fit(split.training, size)
    vectors = None if split.labels is None else (pca.transform(split.training), pca.transform(split.held_out))
    n_parameters = pca.mean.size + pca.components.size
    measured = _measured(split, pca.reconstruct(split.held_out), vectors, n_parameters=n_parameters)
    return summarised(name, size, [measured], is_baseline=True)


def _measured(
    split: _Split,
    reconstruction: Ragged,
    vectors: tuple[np.ndarray, np.ndarray] | None,
    *,
    n_parameters: int,
    seconds: float = 0.0,
) -> Measured:
    """Of held-out sequences. vectors: of training and held-out sequences, None without labels."""
    explained = explained_variance(split.held_out, reconstruction, split.scaling)
    accuracy = nearest = None
    if vectors is not None and split.labels is not None:
        accuracy, nearest = accuracies(*vectors, *split.labels)
    return Measured(_errors(split, reconstruction), explained, n_parameters, accuracy, nearest, seconds)


def _errors(split: _Split, reconstruction: Ragged) -> np.ndarray:
    """Mean squared error of observed values, in scaled units, of each held-out sequence, (n_held_out,)."""
    actual = split.held_out.compact()
    squares = ((np.asarray(reconstruction.values, np.float64) - actual.values) / split.scaling.scale) ** 2
    observed = np.ones(squares.shape, bool) if actual.observed is None else np.asarray(actual.observed)
    sums = np.add.reduceat(np.where(observed, squares, 0).sum(axis=1), actual.starts)
    return sums / np.maximum(np.add.reduceat(observed.sum(axis=1), actual.starts), 1)
