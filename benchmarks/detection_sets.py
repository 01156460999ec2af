"""The real data of the detection benchmarks, in ../shared/data, and published results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

FLOORS = {
    "ecg5000": "PCA AUROC .984 F1 .960; LOF .987/.916; KNN AUROC .986; plain LSTM-AE .980/.929; alibi-detect F1 .964",
    "power": "wanted: all 6 holiday weeks above every unseen normal week; EncDec-AD reimplementation AUROC .91",
    "ucr": "20 shortest: windowed PCA 18 raw / 14 smoothed, discord search 17 / 13, plain LSTM-AE 4 / 7; "
    "published: discord search 135 of 250",
    "asd": "AUROC/AP/event F1: PCA .780/.193/.448, plain LSTM-AE .783/.223/.414, CNN .724/.182/.441; chance AP .041",
    "smd": "PCA AUROC .803 AP .490",
    "smap": "published event F1: LSTM autoencoder .652, AER .764; all channels, SMAP and MSL as one, AUROC/AP/event "
    "F1: PCA .668/.201/.414, ECOD .560/.192/.400, plain LSTM-AE .606/.187/.393, CNN .654/.228/.448; chance AP .121",
    "msl": "published event F1: LSTM autoencoder .548, AER .657",
    "adfa": "AUROC/AP/F1: bag of calls .664/.324/.441, STIDE .669/.298/.437, 2-gram likelihood .681/.430/.429",
    "hdfs": "AUROC: bag of events .9995",
    "names": "nothing; six languages, to see that what suits system calls suits other symbols",
}
"""Measured on the same data, or published; shown under each table."""

SPACECRAFT = {"smap": 25, "msl": 55}
"""Channels of a series, which differ between the two spacecraft."""


@dataclass(frozen=True, slots=True, eq=False)
class Entity:
    """One series. train: (n, channels), normal; test: (m, channels); labels: (m,) bool, 1 is anomalous."""

    name: str
    train: np.ndarray
    test: np.ndarray
    labels: np.ndarray


def entities(name: str) -> list[Entity]:
    """The series of "asd" or "smd" with all channels, of "smap" or "msl" with their first, which is the telemetry."""
    n_channels = SPACECRAFT.get(name)
    with np.load(DATA / f"{name if n_channels is None else 'smap_msl'}_dev.npz") as file:
        names = sorted({key.rsplit("__", 1)[0] for key in file.files})
        found = [Entity(k, file[f"{k}__train"], file[f"{k}__test"], file[f"{k}__y"].ravel() == 1) for k in names]
    if n_channels is None:
        return found
    return [replace(e, train=e.train[:, :1], test=e.test[:, :1]) for e in found if e.train.shape[1] == n_channels]


@dataclass(frozen=True, slots=True, eq=False)
class UcrSeries:
    """One series of the UCR archive. train, test: (n, 1); its anomaly is test[start:end]."""

    name: str
    train: np.ndarray
    test: np.ndarray
    start: int
    end: int


def ucr(n_shortest: int | None) -> list[UcrSeries]:
    """The open series, shortest first."""
    with np.load(DATA / "ucr_anomaly_dev.npz") as file:
        names = sorted({key.split("__")[0] for key in file.files})
        found = [
            UcrSeries(
                name,
                file[f"{name}__train"].reshape(-1, 1),
                file[f"{name}__test"].reshape(-1, 1),
                *(int(edge) for edge in file[f"{name}__range"]),
            )
            for name in names
        ]
    return sorted(found, key=lambda series: len(series.train) + len(series.test))[:n_shortest]


def ecg5000() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normal training beats (292, 140, 1), test beats (n, 140, 1), and which of these are anomalous."""
    with np.load(DATA / "ecg5000_dev.npz") as file:
        train = file["X_train"][file["y_train"] == 1]
        return train[:, :, None], file["X_test"][:, :, None], file["y_test"] != 1


def power_weeks() -> tuple[np.ndarray, np.ndarray]:
    """51 weeks of power demand (51, 672, 1), and which have a public holiday."""
    with np.load(DATA / "encdec_ad_power_weeks.npz") as file:
        return file["X"][:, :, None], file["y"] == 1


def power_series() -> tuple[np.ndarray, np.ndarray]:
    """A year of power demand as one series (35040, 1), and which of its steps are labelled."""
    with np.load(DATA / "encdec_ad_keogh_dev.npz") as file:
        name = next(key[: -len("__x")] for key in file.files if "power" in key and key.endswith("__x"))
        return file[f"{name}__x"], file[f"{name}__y"].ravel() == 1


Tokens = tuple[list[np.ndarray], list[np.ndarray], np.ndarray]
"""Normal sequences to learn from, others to judge, and which of these are anomalous."""

LANGUAGES = ("English", "Japanese", "Italian", "Russian", "Czech", "German")


def adfa() -> Tokens:
    """Normal training traces of system calls, test traces, and which of these are attacks."""
    traces, y, split = _sequences("tok_adfa_ld_dev")
    is_training = split == "train_normal"
    return _chosen(traces, is_training), _chosen(traces, ~is_training), y[~is_training] != "normal"


def hdfs() -> Tokens:
    """Two thirds of the normal log sessions, the other sessions, and which of these are anomalous."""
    sessions, y, _ = _sequences("tok_hdfs_dev")
    normal = np.random.default_rng(0).permutation(np.flatnonzero(y == "0"))
    is_training = np.isin(np.arange(len(y)), normal[: 2 * len(normal) // 3])
    return _chosen(sessions, is_training), _chosen(sessions, ~is_training), y[~is_training] != "0"


def names(language: str) -> Tokens:
    """Four fifths of its names, at most 3200; the rest, and 2000 names of other languages."""
    spelt, y, _ = _sequences("tok_names_18lang")
    rng = np.random.default_rng(0)
    own, others = rng.permutation(np.flatnonzero(y == language)), rng.permutation(np.flatnonzero(y != language))
    n_training = min(4 * len(own) // 5, 3200)
    test = np.concatenate([own[n_training:], others[:2000]])
    return [spelt[i] for i in own[:n_training]], [spelt[i] for i in test], y[test] != language


def _sequences(name: str) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Sequences of tokens, their classes, and the part that each belongs to, "" where nothing says so."""
    with np.load(DATA / f"{name}.npz") as file:
        sequences = np.split(file["values"].astype(np.int32), np.cumsum(file["lengths"])[:-1])
        y = file["y"].astype(str)
        return sequences, y, file["split"].astype(str) if "split" in file.files else np.full(len(y), "")


def _chosen(sequences: list[np.ndarray], is_chosen: np.ndarray) -> list[np.ndarray]:
    return [sequences[i] for i in np.flatnonzero(is_chosen)]
