"""The demonstration: train on real data, measure beside baselines, write the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .baselines import MeanSequence, ResampledPCA, explained_variance
from .data import Utterances, japanese_vowels
from .errors import InvalidParameter
from .estimator import SequenceAutoencoder
from .sequences.ragged import Ragged
from .storage.tables import write_steps, write_vectors

SEED = 0
N_COMPONENTS, LATENT_SIZE = 32, 128  # of the hybrid's values, 32 decode


@dataclass(frozen=True, slots=True)
class Row:
    """A method's result on held-out utterances; accuracies, 0..1, are None for a method without vectors."""

    name: str
    explained_variance: float
    nearest_accuracy: float | None = None
    logistic_accuracy: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Demo:
    """The results of the demo. rows: the hybrid, a recurrent autoencoder, the mean sequence, PCA."""

    model: SequenceAutoencoder
    recurrent: SequenceAutoencoder
    test: Utterances
    rows: tuple[Row, Row, Row, Row]
    folder: Path
    paths: tuple[Path, ...]

    @property
    def verdict(self) -> str:
        """A sentence that compares the hybrid with PCA."""
        hybrid, _, _, pca = self.rows
        better = hybrid.explained_variance > pca.explained_variance
        than = "more" if better else "less"
        return (
            f"The hybrid gives back {than} of the held-out variance than PCA of as many components as it has values "
            "that decode; its other values describe."
        )


def check_folder(folder: Path) -> None:
    """Make the folder. Raises InvalidParameter if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidParameter(f"cannot make the folder {folder}: {error.strerror}; choose another") from error


def run(folder: Path, *, max_epochs: int = 100) -> Demo:
    """Train with a fixed seed on the training utterances; write results for the test ones.

    folder: exists; its model.seqae, vectors.parquet, reconstructions.parquet and test.csv are replaced.
    """
    train, test = japanese_vowels("train"), japanese_vowels("test")
    model = SequenceAutoencoder("hybrid", latent_size=LATENT_SIZE, max_epochs=max_epochs, random_state=SEED).fit(
        train.source
    )
    recurrent = SequenceAutoencoder("repeat", max_epochs=max_epochs, random_state=SEED).fit(train.source)
    rows = compare({"hybrid": model, "recurrent": recurrent}, train, test)
    paths = tuple(folder / name for name in ("model.seqae", "vectors.parquet", "reconstructions.parquet", "test.csv"))
    model.save(paths[0])
    write_vectors(paths[1], test.source.ids, test.source.id_name, model.transform(test.source))
    write_steps(paths[2], test.source, model.reconstruct(test.source))
    write_steps(paths[3], test.source, test.sequences)
    return Demo(model, recurrent, test, rows, folder, paths)


def compare(
    models: Mapping[str, SequenceAutoencoder], train: Utterances, test: Utterances
) -> tuple[Row, Row, Row, Row]:
    """Two models by name, fitted on train, beside the mean sequence and PCA of the resampled sequences."""
    mean, pca = MeanSequence.fit(train.sequences), ResampledPCA.fit(train.sequences, N_COMPONENTS)
    speakers = train.speakers, test.speakers

    def explained(made: Ragged) -> float:
        return explained_variance(test.sequences, made, pca.scaling)

    def row(name: str, model: SequenceAutoencoder) -> Row:
        vectors = model.transform(train.source), model.transform(test.source)
        own = f"{name}, {model.latent_size} values"
        return Row(own, explained(model.reconstruct(test.source)), *accuracies(*vectors, *speakers))

    first, second = (row(name, model) for name, model in models.items())
    of_pca = accuracies(pca.transform(train.sequences), pca.transform(test.sequences), *speakers)
    return (
        first,
        second,
        Row("mean sequence", explained(mean.reconstruct(test.sequences))),
        Row(f"PCA, {len(pca.components)} components", explained(pca.reconstruct(test.sequences)), *of_pca),
    )


def accuracies(
    train_vectors: np.ndarray, test_vectors: np.ndarray, train_labels: np.ndarray, test_labels: np.ndarray
) -> tuple[float, float]:
    """Accuracy, 0..1, of the nearest neighbour and of logistic regression on unscaled vectors.

    Vectors: (n_sequences, size); labels: (n_sequences,).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    classifiers = (KNeighborsClassifier(n_neighbors=1), LogisticRegression(max_iter=10_000))
    nearest, logistic = (
        float(classifier.fit(train_vectors, train_labels).score(test_vectors, test_labels))
        for classifier in classifiers
    )
    return nearest, logistic
