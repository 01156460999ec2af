"""The demonstration: train on real data, measure beside baselines, write the results."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Row:
    """A method's result on held-out utterances; accuracies, 0..1, are None for a method without vectors."""

    name: str
    explained_variance: float
    nearest_accuracy: float | None = None
    logistic_accuracy: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Demo:
    """The results of the demo. rows: the autoencoder, the mean sequence, PCA."""

    model: SequenceAutoencoder
    test: Utterances
    rows: tuple[Row, Row, Row]
    folder: Path
    paths: tuple[Path, ...]

    @property
    def verdict(self) -> str:
        """A sentence that compares the autoencoder with PCA."""
        autoencoder, _, pca = self.rows
        better = autoencoder.explained_variance > pca.explained_variance
        if better:
            return "The autoencoder gives back more of the held-out variance than PCA with as many values."
        return (
            "PCA of the resampled utterances gives back more than the autoencoder here: short, smooth utterances lose "
            "little when they are resampled. It is the bar to clear on your data too."
        )


def check_folder(folder: Path) -> None:
    """Make the folder. Raises InvalidParameter if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidParameter(f"cannot make the folder {folder}: {error.strerror}; choose another") from error


def run(folder: Path, *, max_epochs: int = 100) -> Demo:
    """Train with default settings and a fixed seed on the training utterances; write results for the test ones.

    folder: exists; its model.seqae, vectors.parquet, reconstructions.parquet and test.csv are replaced.
    """
    train, test = japanese_vowels("train"), japanese_vowels("test")
    model = SequenceAutoencoder(max_epochs=max_epochs, random_state=SEED).fit(train.source)
    vectors, reconstruction = model.transform(test.source), model.reconstruct(test.source)
    rows = compare(model, train, test, vectors, reconstruction)
    paths = tuple(folder / name for name in ("model.seqae", "vectors.parquet", "reconstructions.parquet", "test.csv"))
    model.save(paths[0])
    write_vectors(paths[1], test.source.ids, test.source.id_name, vectors)
    write_steps(paths[2], test.source, reconstruction)
    write_steps(paths[3], test.source, test.sequences)
    return Demo(model, test, rows, folder, paths)


def compare(
    model: SequenceAutoencoder, train: Utterances, test: Utterances, vectors: np.ndarray, reconstruction: Ragged
) -> tuple[Row, Row, Row]:
    """The autoencoder beside the mean sequence and PCA of the resampled sequences with as many components.

    All are fitted on train; vectors and reconstruction are the autoencoder's, of test.
    """
    mean = MeanSequence.fit(train.sequences)
    pca = ResampledPCA.fit(train.sequences, model.latent_size)
    speakers = train.speakers, test.speakers
    of_model = accuracies(model.transform(train.source), vectors, *speakers)
    of_pca = accuracies(pca.transform(train.sequences), pca.transform(test.sequences), *speakers)

    def explained(made: Ragged) -> float:
        return explained_variance(test.sequences, made, pca.scaling)

    return (
        Row(f"autoencoder, {model.latent_size} values", explained(reconstruction), *of_model),
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
