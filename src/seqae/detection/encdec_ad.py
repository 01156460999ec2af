"""EncDec-AD with the protocol of its paper and its six data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.frozen import FrozenEstimator

from ..errors import InvalidParameter, InvalidSequence
from ..estimator import SequenceAutoencoder
from ..parameters import as_random_state, check_kind, check_seed, seeded_copy
from ..reading import take
from ..sequences.ragged import Ragged
from .detector import AnomalyDetector
from .series import anomalous_sequences
from .thresholds import FBeta

SHARES = {"s_N": 0.5, "v_N1": 0.2, "v_N2": 0.15, "t_N": 0.15}
"""Shares of the normal sequences in splits from labels; half of the anomalous ones are v_A, half t_A."""


@dataclass(frozen=True, slots=True, eq=False)
class PaperSplits:
    """The six sets of Malhotra et al. 2016, section 2. Each holds sequences; t_N and t_A may be empty.

    s_N: normal, to train on. v_N1: normal, for early stopping, mu and Sigma. v_N2, v_A: normal and anomalous, for tau.
    t_N, t_A: normal and anomalous, to test on.
    """

    s_N: Ragged  # noqa: N815 (the paper's names)
    v_N1: Ragged  # noqa: N815
    v_N2: Ragged  # noqa: N815
    v_A: Ragged  # noqa: N815
    t_N: Ragged  # noqa: N815
    t_A: Ragged  # noqa: N815

    @classmethod
    def from_labels(cls, X: object, y: object, *, random_state: int | None = 0) -> Self:
        """Random splits by whole sequences: half of the normal ones are s_N, a fifth v_N1, the rest half v_N2, half
        t_N; half of the anomalous ones are v_A, half t_A.

        y: (n_sequences,), 1 is anomalous. Raises InvalidSequence for fewer than 4 normal or 1 anomalous sequence.
        """
        ragged = take(X).ragged
        is_anomaly = anomalous_sequences(y, len(ragged))
        rng = np.random.default_rng(None if random_state is None else check_seed(random_state))
        normal = rng.permutation(np.flatnonzero(~is_anomaly))
        anomalous = rng.permutation(np.flatnonzero(is_anomaly))
        if len(normal) < 4 or not len(anomalous):
            raise InvalidSequence(
                f"the paper's splits need at least 4 normal sequences and 1 anomalous one, got {len(normal)} and "
                f"{len(anomalous)}; label more, or use AnomalyDetector, which needs no anomalies"
            )
        edges = np.round(np.cumsum(list(SHARES.values()))[:-1] * len(normal)).astype(int)
        edges = np.maximum.accumulate(np.clip(edges, [1, 2, 3], [len(normal) - 3, len(normal) - 2, len(normal) - 1]))
        s_N, v_N1, v_N2, t_N = (ragged[np.sort(part)] for part in np.split(normal, edges))
        v_A, t_A = (ragged[np.sort(part)] for part in np.split(anomalous, [(len(anomalous) + 1) // 2]))
        return cls(s_N, v_N1, v_N2, v_A, t_N, t_A)


@dataclass(frozen=True, slots=True, eq=False)
class EncDecAD:
    """EncDec-AD fitted as in "LSTM-based Encoder-Decoder for Multi-sensor Anomaly Detection" (Malhotra et al. 2016,
    1607.00148). Made by EncDecAD.paper().

    detector: for new data: score_samples, predict, detect, save. splits: the data it was fitted on.
    """

    detector: AnomalyDetector
    splits: PaperSplits

    @classmethod
    def paper(
        cls,
        X: object = None,
        y: object = None,
        *,
        splits: PaperSplits | Mapping[str, Sized] | None = None,
        autoencoder: SequenceAutoencoder | None = None,
        beta: float = 0.1,
        random_state: int | None = 0,
    ) -> Self:
        """Fit by the paper's protocol, on six given sets or on sequences with labels.

        Section 2.1: the LSTM encoder-decoder is trained on s_N to minimise
            sum over X in s_N of sum over i = 1..L of ||x(i) - x'(i)||^2,
        where the decoder starts from the encoder's final state h_D(L) = h_E(L), reconstructs in reverse,
        x'(i) = w^T h_D(i) + b, and reads x(i) in training but x'(i) at inference. The set v_N1 stops the training.
        Section 2.2: e(i) = |x(i) - x'(i)| on v_N1 give mu and Sigma of N(mu, Sigma) by maximum likelihood (here with
            Ledoit-Wolf shrinkage, so that Sigma can always be inverted), and the anomaly score of a point is
            a(i) = (e(i) - mu)^T Sigma^-1 (e(i) - mu).
        A sequence's score is the mean of its a(i) (the paper labels a window by its points). tau, above which it is
        anomalous, maximises F_beta = (1 + beta^2) P R / (beta^2 P + R) on v_N2 and v_A, with "anomalous" as the
        positive class and beta < 1.

        X, y: sequences and labels, 1 is anomalous, split by PaperSplits.from_labels(); or splits: PaperSplits, or a
        mapping of its names to data. autoencoder: None is architecture "encdec_ad" with 40 units, the latent vector
        being its whole state. Raises InvalidParameter unless either X and y or splits are given.
        """
        if (splits is None) == (X is None or y is None):
            raise InvalidParameter("EncDecAD.paper needs either X and y or splits=...")
        made = PaperSplits.from_labels(X, y, random_state=random_state) if splits is None else _as_splits(splits)
        seed = int(as_random_state(random_state).randint(2**31))
        model = _trained(autoencoder, made, seed)
        return cls(_detector(model, made, beta), made)

    def evaluate(self) -> dict[str, float]:
        """On t_N and t_A at the learnt tau: precision, recall, F_beta, and the ratio of true to false positive rate."""
        is_normal = [
            np.asarray(self.detector.predict(part)) > 0 if len(part) else np.zeros(0, bool) for part in self._tests
        ]
        false, true = int((~is_normal[0]).sum()), int((~is_normal[1]).sum())
        n_normal, n_anomalous = len(is_normal[0]), len(is_normal[1])
        precision = true / (true + false) if true + false else 0.0
        recall = true / n_anomalous if n_anomalous else float("nan")
        weight = float(getattr(self.detector.threshold, "beta", 0.1)) ** 2
        bottom = weight * precision + recall
        f_beta = (1 + weight) * precision * recall / bottom if bottom > 0 else 0.0
        rate = false / n_normal if n_normal else float("nan")
        likelihood_ratio = recall / rate if rate else float("inf" if recall > 0 else "nan")
        return {"precision": precision, "recall": recall, "f_beta": f_beta, "likelihood_ratio": likelihood_ratio}

    @property
    def _tests(self) -> tuple[Ragged, Ragged]:
        return self.splits.t_N, self.splits.t_A


def _as_splits(splits: PaperSplits | Mapping[str, Sized]) -> PaperSplits:
    if not isinstance(splits, Mapping):
        return check_kind("splits", splits, PaperSplits)
    names = PaperSplits.__dataclass_fields__
    unknown = [name for name in splits if name not in names]
    missing = [name for name in ("s_N", "v_N1", "v_N2", "v_A") if name not in splits]
    if unknown or missing:
        raise InvalidParameter(
            f"splits must name {', '.join(names)} (t_N and t_A may be left out); "
            f"missing: {', '.join(missing) or 'none'}, unknown: {', '.join(unknown) or 'none'}"
        )
    is_left_out = {name: name in ("t_N", "t_A") and not len(splits.get(name, ())) for name in names}
    taken = {name: take(splits[name]).ragged for name in names if not is_left_out[name]}
    nothing = taken["s_N"][np.zeros(0, np.int64)]
    return PaperSplits(**{name: taken.get(name, nothing) for name in names})


def _trained(autoencoder: SequenceAutoencoder | None, splits: PaperSplits, seed: int) -> SequenceAutoencoder:
    """The autoencoder, trained on s_N; v_N1 determines the best epoch."""
    if autoencoder is None:
        autoencoder = SequenceAutoencoder(
            "encdec_ad", hidden_size=40, latent_size=80, max_epochs=100, batch_size=64, patience=20
        )
    given = check_kind("autoencoder", autoencoder, SequenceAutoencoder)  # s_N trains a copy of it
    return seeded_copy(given, seed).fit(splits.s_N, validation=splits.v_N1)


def _detector(model: SequenceAutoencoder, splits: PaperSplits, beta: float) -> AnomalyDetector:
    """mu and Sigma from v_N1, tau from v_N2 and v_A."""
    detector = AnomalyDetector(FrozenEstimator(model), score="mahalanobis", threshold=FBeta(beta))
    return detector.fit_held_out(splits.v_N1).fit_threshold(
        [*splits.v_N2, *splits.v_A], np.repeat([0, 1], [len(splits.v_N2), len(splits.v_A)])
    )
