"""The result of compare(): a row for each architecture and baseline, a run for each fit, and a recommendation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..cards import Card
from ..errors import InvalidParameter
from ..parameters import check_choice
from ..training.history import History

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One fit on held-out sequences. errors: (n_held_out,), see ComparedRow; explained: of all of them together.

    accuracy, nearest: None without labels. seconds: of fitting.
    """

    errors: np.ndarray
    explained: float
    n_parameters: int
    accuracy: float | None = None
    nearest: float | None = None
    seconds: float = 0.0
    is_falling: bool = False


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One model. Errors are mean squared errors of held-out sequences, each channel in units of its deviation.

    error: mean over sequences, and over seeds. low, high: 95 % confidence interval of that mean over sequences
    (normal). standard_error: of the mean over sequences. accuracy: of logistic regression on the vectors, held out;
    None without labels. n_parameters: learnt numbers. seconds: of fitting one, on average.
    problem: why it could not be fitted; the numbers are then NaN. is_cut: an interrupt ended one of its fits, or came
    before all were done. latent_size: None for the mean sequence, which has no vectors.
    explained: variance explained, of all held-out steps together, 0..1. nearest: as accuracy, of the nearest neighbour.
    is_falling: the loss of one of its fits still fell at the end: see History.
    """

    name: str
    latent_size: int | None
    error: float
    low: float
    high: float
    standard_error: float
    accuracy: float | None
    n_parameters: int
    seconds: float
    is_baseline: bool = False
    is_cut: bool = False
    problem: str = ""
    explained: float = float("nan")
    nearest: float | None = None
    is_falling: bool = False


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One fit, of one seed. error, accuracy, nearest: as in ComparedRow, of this fit alone."""

    name: str
    latent_size: int
    seed: int
    error: float
    accuracy: float | None
    nearest: float | None
    history: History


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Card):
    """rows: the architectures in the order given, then the baselines. runs: all fits, in order.

    recommended: a row's name, "" if an interrupt came before any architecture was fitted; reason: why.
    n_training, n_held_out: sequences.
    """

    rows: tuple[ComparedRow, ...]
    runs: tuple[ComparedRun, ...]
    recommended: str
    reason: str
    n_training: int
    n_held_out: int

    def __repr__(self) -> str:
        return f"Comparison({'; '.join(f'{name}: {text}' for name, text in self.facts().items())})"

    def facts(self) -> dict[str, str]:
        """What is recommended, and of each row the held-out error, as text."""
        told = {"recommended": self.recommended or "nothing", "because": self.reason}
        sizes = f"{self.n_training:,} sequences to learn from, {self.n_held_out:,} held out"
        errors = {row.name: row.problem or f"error {row.error:.4g}, explained {row.explained:.1%}" for row in self.rows}
        return told | {"data": sizes} | errors

    @property
    def is_interrupted(self) -> bool:
        """Whether an interrupt ended the comparison before all was fitted."""
        return any(row.is_cut for row in self.rows)

    def to_frame(self, rows: Literal["architecture", "run", "epoch"] = "architecture") -> pa.Table:
        """One row per architecture and baseline, per fit, or per epoch of every fit, as a pyarrow Table."""
        import pyarrow as pa

        check_choice("rows", rows, ("architecture", "run", "epoch"))
        if rows == "architecture":
            names = [field.name for field in fields(ComparedRow)]
            return pa.table({name: pa.array([getattr(row, name) for row in self.rows]) for name in names})
        if rows == "run":
            return pa.Table.from_pylist([_as_record(run) for run in self.runs])
        histories = [run.history.to_frame() for run in self.runs]
        keys = {"name": pa.string(), "latent_size": pa.int64(), "seed": pa.int64()}
        for key, kind in keys.items():
            columns = [pa.array([getattr(run, key)] * len(run.history.epochs), kind) for run in self.runs]
            histories = [table.append_column(key, column) for table, column in zip(histories, columns, strict=True)]
        order = [*keys, *histories[0].column_names[: -len(keys)]]
        return pa.concat_tables(histories).select(order)


def accuracies(
    training: np.ndarray, held_out: np.ndarray, training_labels: np.ndarray, held_out_labels: np.ndarray
) -> tuple[float, float]:
    """How often vectors tell the label, 0..1: by logistic regression on standardised values, and by the nearest vector.

    Vectors: (n_sequences, size); labels: (n_sequences,). Raises InvalidParameter for a single label.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(training_labels)) < 2:
        raise InvalidParameter("y must have at least two labels among the training sequences", parameter="y")
    classifiers = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)), KNeighborsClassifier(1)
    logistic, nearest = (
        float(each.fit(training, training_labels).score(held_out, held_out_labels)) for each in classifiers
    )
    return logistic, nearest


def summarised(
    name: str,
    latent_size: int | None,
    fits: Sequence[Measured],
    *,
    is_baseline: bool = False,
    is_cut: bool = False,
) -> ComparedRow:
    """The row of a model that was fitted so many times."""
    errors = np.mean([fit.errors for fit in fits], axis=0)
    error, standard_error = float(errors.mean()), float(errors.std(ddof=1) / np.sqrt(len(errors)))
    return ComparedRow(
        name,
        latent_size,
        error,
        error - 1.96 * standard_error,
        error + 1.96 * standard_error,
        standard_error,
        _mean([fit.accuracy for fit in fits]),
        fits[0].n_parameters,
        float(np.mean([fit.seconds for fit in fits])),
        is_baseline,
        is_cut,
        explained=float(np.mean([fit.explained for fit in fits])),
        nearest=_mean([fit.nearest for fit in fits]),
        is_falling=any(fit.is_falling for fit in fits),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def left_out(name: str, problem: str, latent_size: int | None, *, is_cut: bool = False) -> ComparedRow:
    """The row of a model that could not be fitted."""
    nan = float("nan")
    return ComparedRow(name, latent_size, nan, nan, nan, nan, None, 0, nan, is_cut=is_cut, problem=problem)


def recommend(rows: Sequence[ComparedRow], n_held_out: int) -> tuple[str, str]:
    """The name and the reason. Cut rows are ignored: their models had a smaller budget."""
    fitted = [row for row in rows if not row.problem and not row.is_cut]
    if all(row.is_baseline for row in fitted):
        if any(row.is_cut for row in rows):
            return "", "an interrupt came before any architecture was fitted"
        raise InvalidParameter(f"no architecture could be fitted; the first says: {rows[0].problem}")
    best = min(fitted, key=lambda row: row.error)
    near = [row for row in fitted if row.error <= best.error + best.standard_error]
    eligible = _readable(near, n_held_out)
    chosen = min(eligible, key=lambda row: row.n_parameters)
    return chosen.name, _reason(chosen, best, is_read=len(eligible) < len(near)) + _of_hybrid(chosen, fitted)


def _readable(rows: list[ComparedRow], n_held_out: int) -> list[ComparedRow]:
    """Those whose accuracy lies within one standard error of the best; all, without labels."""
    accuracies = [row.accuracy for row in rows if row.accuracy is not None]
    if not accuracies:
        return rows
    best = max(accuracies)
    limit = best - np.sqrt(best * (1 - best) / n_held_out)
    return [row for row in rows if row.accuracy is not None and row.accuracy >= limit]


def _reason(chosen: ComparedRow, best: ComparedRow, *, is_read: bool) -> str:
    read = "" if chosen.accuracy is None or not is_read else f", and its vectors can be read ({chosen.accuracy:.3f})"
    if chosen is best:
        others = "" if is_read else ", and no smaller model comes within one standard error of it"
        return f"{best.name} has the smallest held-out error, {best.error:.4g}{read}{others}"
    return (
        f"{best.name} has the smallest held-out error, {best.error:.4g}, but {chosen.name} ({chosen.error:.4g}) lies "
        f"within one standard error of it ({best.standard_error:.2g}){read} and has {chosen.n_parameters:,} learnt "
        f"numbers in place of {best.n_parameters:,}"
    )


def _of_hybrid(chosen: ComparedRow, rows: Sequence[ComparedRow]) -> str:
    """Why it is not the default, if it is not."""
    hybrid = next((row for row in rows if row.name == "hybrid"), None)
    if hybrid is None or chosen is hybrid:
        return ""
    if chosen.accuracy is not None and hybrid.accuracy is not None:
        return f"; hybrid: {hybrid.error:.4g}, read with {hybrid.accuracy:.3f} against {chosen.accuracy:.3f}"
    return f"; hybrid: {hybrid.error:.4g}, and its vectors also describe, which only labels would show"


def _as_record(run: ComparedRun) -> dict[str, object]:
    history = run.history
    return {
        "name": run.name,
        "latent_size": run.latent_size,
        "seed": run.seed,
        "error": run.error,
        "accuracy": run.accuracy,
        "nearest": run.nearest,
        "best_epoch": history.best_epoch,
        "n_epochs": len(history.epochs),
        "stopped_by": history.stopped_by,
        "training_loss": None if history.best is None else history.best.training_loss,
        "validation_loss": None if history.best is None else history.best.validation_loss,
        "seconds": history.seconds,
    }
