"""Labelled sequences, as they lie in ../shared/data, split into a part to learn from and a part to judge by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqae import Ragged

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MAIN = ("JapaneseVowels", "PLAID", "AllGestureWiimoteX", "fsdd_mfcc")
SMALL = ("BasicMotions", "Epilepsy", "Libras", "ItalyPowerDemand", "GunPoint", "ArrowHead", "PickupGestureWiimoteZ")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSet:
    """train, test: sequences; train_labels, test_labels: (n,) int64."""

    name: str
    train: Ragged
    train_labels: np.ndarray
    test: Ragged
    test_labels: np.ndarray


def load(name: str) -> LabelledSet:
    """The set's own split; without one, halves of each class by seed 0."""
    with np.load(DATA / f"cls_{name}.npz") as file:
        sequences = Ragged.back_to_back(np.asarray(file["values"], np.float32), file["lengths"])
        labels = np.unique(file["y"], return_inverse=True)[1]
        split = file["split"] if "split" in file.files else None
    train, test = _halves(labels) if split is None else (np.flatnonzero(split == part) for part in ("train", "test"))
    return LabelledSet(name, sequences[train].compact(), labels[train], sequences[test].compact(), labels[test])


def _halves(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(len(labels)), test_size=0.5, stratify=labels, random_state=0)
    return train, test
