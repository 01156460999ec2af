"""The demonstration: train on real data, measure beside baselines, write the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .baselines import MeanSequence, ResampledPCA, explained_variance
from .comparison.result import accuracies
from .data import Utterances, japanese_vowels
from .errors import InvalidParameter
from .estimator import SequenceAutoencoder
from .sequences.ragged import Ragged
from .storage.tables import write_steps, write_vectors

SEED = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A method's result on held-out utterances; accuracies, 0..1, are None for a method without vectors."""

    name: str
    explained_variance: float
    nearest_accuracy: float | None = None
    logistic_accuracy: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Demo:
    """The results of the demo. rows: the default, a recurrent autoencoder, the mean sequence, PCA."""

    model: SequenceAutoencoder
    recurrent: SequenceAutoencoder
    test: Utterances
    rows: tuple[Row, Row, Row, Row]
    folder: Path
    paths: tuple[Path, ...]

    @property
    def verdict(self) -> str:
        """What the default does better than PCA, and what not."""
        usual, _, _, pca = self.rows
        columns = {
            "variance explained": (usual.explained_variance, pca.explained_variance),
            "1-NN": (usual.nearest_accuracy or 0.0, pca.nearest_accuracy or 0.0),
            "logistic regression": (usual.logistic_accuracy or 0.0, pca.logistic_accuracy or 0.0),
        }
        told = [f"{name} {_compared(own, other)}" for name, (own, other) in columns.items()]
        return (
            f"The default beside PCA of as many components as it has values that decode: {', '.join(told)}. "
            "Its other values describe."
        )


def check_folder(folder: Path) -> None:
    """Make the folder. Raises InvalidParameter if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidParameter(f"cannot make the folder {folder}: {error.strerror}; choose another") from error


def run(folder: Path, *, max_epochs: int | Literal["auto"] = "auto") -> Demo:
    """Train with a fixed seed on the training utterances; write results for the test ones.

    max_epochs: of the recurrent autoencoder.
    folder: exists; its model.seqae, vectors.parquet, reconstructions.parquet and test.csv are replaced.
    """
    train, test = japanese_vowels("train"), japanese_vowels("test")
    model = SequenceAutoencoder(random_state=SEED).fit(train.source)
    recurrent = SequenceAutoencoder("repeat", max_epochs=max_epochs, random_state=SEED).fit(train.source)
    rows = compare({"default": model, "recurrent": recurrent}, train, test)
    paths = tuple(folder / name for name in ("model.seqae", "vectors.parquet", "reconstructions.parquet", "test.csv"))
    model.save(paths[0])
    write_vectors(paths[1], test.source.ids, test.source.id_name, model.transform(test.source))
    write_steps(paths[2], test.source, model.reconstruct(test.source))
    write_steps(paths[3], test.source, test.sequences)
    return Demo(model, recurrent, test, rows, folder, paths)


def compare(
    models: Mapping[str, SequenceAutoencoder], train: Utterances, test: Utterances
) -> tuple[Row, Row, Row, Row]:
    """Two models by name, fitted on train, beside the mean sequence and PCA of the resampled sequences.

    PCA has as many components as values of the first model decode.
    """
    usual, _ = models.values()
    n_components = usual.encoder_.n_decoding or usual.latent_size_
    mean, pca = MeanSequence.fit(train.sequences), ResampledPCA.fit(train.sequences, n_components)
    speakers = train.speakers, test.speakers

    def explained(made: Ragged) -> float:
        return explained_variance(test.sequences, made, pca.scaling)

    def row(name: str, model: SequenceAutoencoder) -> Row:
        vectors = model.transform(train.source), model.transform(test.source)
        logistic, nearest = accuracies(*vectors, *speakers)
        own = f"{name} ({model.architecture_}), {model.latent_size_} values"
        return Row(own, explained(model.reconstruct(test.source)), nearest, logistic)

    first, second = (row(name, model) for name, model in models.items())
    logistic, nearest = accuracies(pca.transform(train.sequences), pca.transform(test.sequences), *speakers)
    return (
        first,
        second,
        Row("mean sequence", explained(mean.reconstruct(test.sequences))),
        Row(f"PCA, {len(pca.components)} components", explained(pca.reconstruct(test.sequences)), nearest, logistic),
    )


def _compared(own: float, other: float) -> str:
    """In percentage points, as they are printed."""
    points = round(1000 * own) - round(1000 * other)
    return "equal" if not points else f"{points / 10:+.1f} points"
