"""The registry of evidence and scores, and the choice for a detector. New evidence is a line in EVIDENCE."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InvalidParameter
from ...parameters import check_choice
from ...sequences.ragged import Ragged
from ...storage.vetting import misfit, shown
from .autoencoder import PREDICTION, AutoencoderEvidence, LinearEvidence
from .counts import BagEvidence, NGramEvidence
from .interface import RECONSTRUCTION, Evidence, Score, Setting
from .nearest import NearestEvidence

EVIDENCE: tuple[type[Evidence], ...] = (
    AutoencoderEvidence,
    LinearEvidence,
    NearestEvidence,
    NGramEvidence,
    BagEvidence,
)

BASELINES: dict[str, type[Evidence]] = {"pca": LinearEvidence, "ngram": NGramEvidence}
"""Evidence that replaces the autoencoder, by the name of the baseline."""

UNTRAINED = (RECONSTRUCTION, PREDICTION)
"""Kinds for which a trained autoencoder does not read normal data again."""


def scores() -> dict[str, Score]:
    """All scores by name."""
    return {score.name: score for kind in EVIDENCE for score in kind.scores}


def evidence_named(name: str) -> type[Evidence]:
    """By its name in files. Raises ModelFileError where there is none."""
    for kind in EVIDENCE:
        if kind.name == name:
            return kind
    raise misfit("evidence", f"has {shown(name)}, which this seqae does not know")


def as_names(score: object) -> tuple[str, ...]:
    """The parts of a score that was given as a name or a sequence of names. Raises InvalidParameter for others."""
    names = (score,) if isinstance(score, str) else score
    if not isinstance(names, tuple | list) or not names or len(set(names)) != len(names):
        raise InvalidParameter(
            f"score must be 'auto', a name, or a tuple of different names, got {score!r}", parameter="score"
        )
    return tuple(check_choice("score", name, tuple(scores())) for name in names)


def choose_scores(score: object, baseline: str | None, normal: Ragged, setting: Setting) -> tuple[Score, ...]:
    """The parts of a score, with "auto" resolved. Raises InvalidParameter for parts that do not suit the data.

    normal: the training data.
    """
    if baseline is not None and (baseline == "ngram") != setting.are_tokens:
        raise InvalidParameter(
            "baseline='pca' takes vectors and baseline='ngram' takes tokens; choose the other", parameter="baseline"
        )
    names = _automatic(baseline, normal, setting) if score == "auto" else as_names(score)
    known = scores()
    chosen = tuple(known[name] for name in names)
    _check_kinds(chosen, baseline)
    _check_data(chosen, setting)
    return chosen


def _automatic(baseline: str | None, normal: Ragged, setting: Setting) -> tuple[str, ...]:
    if baseline == "pca":
        return ("error",)
    if setting.are_tokens:
        return ("error", "symbols", "pairs") if baseline else ("error", "ngram", "symbols", "pairs")
    if setting.window is not None or normal.lengths.min() == normal.lengths.max():
        return ("error", "linear", "nearest")
    return ("error", "latent") if setting.channels is None else ("error",)


def _check_kinds(chosen: Sequence[Score], baseline: str | None) -> None:
    """Raise InvalidParameter for a score that a baseline does not have."""
    if baseline is None:
        return
    main = BASELINES[baseline]
    kinds = set(main.leads).union(*(kind.offers for kind in EVIDENCE if kind is not main))
    if not kinds.issuperset(kind for score in chosen for kind in score.kinds):
        usual = [score.name for score in scores().values() if kinds.issuperset(score.kinds)]
        raise InvalidParameter(
            f"baseline={baseline!r} has the scores {', '.join(map(repr, usual))}, "
            f"got {tuple(score.name for score in chosen)}",
            parameter="score",
        )


def _check_data(chosen: Sequence[Score], setting: Setting) -> None:
    """Raise InvalidParameter for a score of another kind of data, or one that needs all channels."""
    own, other = ("tokens", "vectors") if setting.are_tokens else ("vectors", "tokens")
    for score in chosen:
        if score.of == other:
            raise InvalidParameter(
                f"X holds {own}, but score {score.name!r} is of {other}; score='auto' suits both", parameter="score"
            )
        if score.needs_all_channels and setting.channels is not None:
            raise InvalidParameter(
                f"score {score.name!r} is of all channels at once; choose others, or leave scored_channels out",
                parameter="scored_channels",
            )


def fit_evidence(
    chosen: Sequence[Score], windows: Ragged, setting: Setting, baseline: str | None
) -> tuple[Evidence, ...]:
    """The evidence for the scores; the first is the main model's, with errors of reconstruction.

    windows: normal, those that the autoencoder was trained on.
    """
    wanted = {kind for score in chosen for kind in score.kinds} | {RECONSTRUCTION}
    main = AutoencoderEvidence if baseline is None else BASELINES[baseline]
    plan = [(main, main.leads), *((kind, kind.offers) for kind in EVIDENCE)]
    own = [(kind, tuple(name for name in names if name in wanted)) for kind, names in plan]
    return tuple(kind.fit(windows, names, setting) for kind, names in own if names)


def setting_of(sequences: Ragged, window: int | None, channels: np.ndarray | None) -> Setting:
    """The setting for such sequences, with windows at every step and without an autoencoder.

    channels: numbers of the scored ones, None for all.
    """
    n_scored = sequences.n_channels if channels is None else len(channels)
    is_exact = sequences.values.dtype == np.float64
    return Setting(sequences.n_channels, n_scored, window, 1, sequences.is_tokens, is_exact, channels)
