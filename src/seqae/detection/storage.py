"""Pack a fitted detector into the content of a model file, and unpack it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np

from ..errors import ModelFileError
from ..model.losses import as_loss
from ..sequences.ragged import Ragged
from ..storage import autoencoder as autoencoders
from ..storage.autoencoder import Fitted
from ..storage.model_file import ModelFile
from ..storage.vetting import Arrays, as_count, checked, decoded, decoded_arguments, misfit, under, vet_arrays
from .evidence.interface import RECONSTRUCTION, Evidence, Setting, Trained
from .evidence.registry import evidence_named, scores
from .limits import Rule
from .scoring import MEASURES, MeanError, Part, Scorer, places
from .thresholds import threshold_from_json, threshold_to_json

KIND = "detector"
SAVED = (
    *("window", "stride", "score", "baseline", "scored_channels"),
    *("held_out_fraction", "contamination", "max_gap", "random_state"),
)
"""The parameters that are saved."""
ADDED = {"contamination", "max_gap"}
"""Those that older files lack."""
LAYOUT = 3
"""The version of the content; files of another version are refused."""

Plain = str | int | float | bool | tuple[str | int, ...] | None
"""A parameter in a file."""
Settings = str | int | float | Mapping[str, str | int | float | None] | None
"""A setting of a threshold in a file."""

TRIED_STEPS = 1024
"""The most steps of the window of zeros that a loaded detector scores as a check."""


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """The results of fit(). held_out_scores: (n,), of held-out normal data; stream_scores: (m,), what a stream gives
    for them. data: the fingerprint of the data of fit(). rule: threshold and limit.
    """

    autoencoder: Fitted | None
    scorer: Scorer
    setting: Setting
    held_out_scores: np.ndarray
    stream_scores: np.ndarray
    data: bytes
    rule: Rule
    channel_names: tuple[str, ...]
    vocabulary: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class SavedEvidence:
    """The name and kinds of evidence; its arrays have its number as prefix."""

    name: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SavedPart:
    """See scoring.Part: score and measure by name; the measure's arrays have its number as prefix."""

    score: str
    measure: str
    median: float
    weight: float


@dataclass(frozen=True, slots=True)
class SavedDetector:
    """The JSON part of a file. limit_data, data: fingerprints, in hexadecimal digits.

    parameters: of the detector, without autoencoder and threshold.
    """

    layout: int
    parameters: Mapping[str, Plain]
    threshold: Mapping[str, Settings]
    limit: float | None
    limit_data: str
    data: str
    window: int | None
    stride: int
    are_tokens: bool
    is_exact: bool
    channel_names: tuple[str, ...]
    scored_channels: tuple[int, ...] | None
    vocabulary: tuple[str, ...] | None
    evidence: tuple[SavedEvidence, ...]
    parts: tuple[SavedPart, ...]
    steps_per_day: float | None = None


def pack(learnt: Learnt, parameters: Mapping[str, object]) -> ModelFile:
    """The file's content: the autoencoder's, with a prefix, and the detector's own.

    parameters: of the detector, without autoencoder and threshold.
    """
    inner = None if learnt.autoencoder is None else autoencoders.pack(learnt.autoencoder)
    scorer, setting, rule = learnt.scorer, learnt.setting, learnt.rule
    arrays = {"held_out_scores": learnt.held_out_scores, "limit.normal": rule.limit.normal}
    arrays |= {"stream_scores": learnt.stream_scores}
    arrays |= under("error.", scorer.error.to_arrays())
    arrays |= under("autoencoder.", {} if inner is None else inner.tensors)
    for k, one in enumerate(scorer.evidence):
        arrays |= under(f"evidence{k}.", one.to_arrays())
    for k, part in enumerate(scorer.parts):
        arrays |= under(f"part{k}.", part.measure.to_arrays())
    saved = SavedDetector(
        layout=LAYOUT,
        parameters={name: _plain(value) for name, value in parameters.items()},
        threshold=cast(Mapping[str, Settings], threshold_to_json(rule.threshold)),
        limit=rule.limit.value if rule.limit.value is None or np.isfinite(rule.limit.value) else None,
        limit_data=rule.data.hex(),
        data=learnt.data.hex(),
        window=setting.window,
        stride=setting.stride,
        are_tokens=setting.are_tokens,
        is_exact=setting.is_exact,
        channel_names=learnt.channel_names,
        scored_channels=None if setting.channels is None else tuple(setting.channels.tolist()),
        vocabulary=learnt.vocabulary,
        evidence=tuple(SavedEvidence(one.name, one.kinds) for one in scorer.evidence),
        steps_per_day=rule.steps_per_day,
        parts=tuple(SavedPart(p.score.name, p.measure.name, p.median, p.weight) for p in scorer.parts),
    )
    config = json.loads(json.dumps(asdict(saved))) | {"autoencoder": None if inner is None else dict(inner.config)}
    return ModelFile(KIND, config, {name: np.ascontiguousarray(array) for name, array in arrays.items()})


def unpack(file: ModelFile, constructor: Callable[..., None]) -> tuple[Learnt, dict[str, Any]]:
    """The inverse of pack(). constructor: of the detector, which declares the types of its parameters.

    Raises ModelFileError for another kind of content, or a damaged or edited one.
    """
    if file.kind != KIND:
        raise ModelFileError(f"the file holds a {file.kind}, not a detector")
    if file.config.get("layout") != LAYOUT:
        raise ModelFileError(
            "the detector was saved by another version of seqae, whose files this one does not read; fit it again"
        )
    vet_arrays(file.tensors)
    config, arrays = dict(file.config), Arrays(file.tensors)
    inner = config.pop("autoencoder", None)
    fitted = None
    if inner is not None:
        own = arrays.below("autoencoder.").tensors
        fitted = autoencoders.unpack(ModelFile(autoencoders.KIND, inner, own))
    saved = decoded(SavedDetector, config, "the detector")
    if set(saved.parameters) | ADDED != set(SAVED):
        raise misfit("parameters", f"must be {', '.join(SAVED)}")
    parameters = decoded_arguments(constructor, saved.parameters, "parameters")
    setting = _setting(saved, fitted)
    threshold = threshold_from_json(saved.threshold)
    limit = threshold.restored(saved.limit, arrays.take("limit.normal", (None,), np.float64))
    rule = Rule(threshold, limit, _bytes(saved.limit_data, "limit_data"), saved.steps_per_day)
    held_out, streamed = (arrays.take(f"{name}_scores", (None,), np.float64) for name in ("held_out", "stream"))
    scorer, data = _scorer(saved, arrays, setting), _bytes(saved.data, "data")
    names, words = saved.channel_names, saved.vocabulary
    return Learnt(fitted, scorer, setting, held_out, streamed, data, rule, names, words), parameters


def _setting(saved: SavedDetector, fitted: Fitted | None) -> Setting:
    n_channels, window, channels = len(saved.channel_names), saved.window, saved.scored_channels
    if window is not None:
        as_count(window, "window", least=2)
    stride = as_count(saved.stride, "stride", least=1, most=window or 1)
    if not n_channels or (saved.are_tokens and (n_channels != 1 or channels is not None)):
        raise misfit("channel_names", "must be of at least one channel, and of one for tokens")
    n_scored = n_channels if channels is None else len(channels)
    if channels is not None and (not channels or len(set(channels)) < n_scored or not min(channels) >= 0):
        raise misfit("scored_channels", "must be different numbers")
    if channels is not None and max(channels) >= n_channels:
        raise misfit("scored_channels", f"must be numbers below {n_channels}")
    scored = None if channels is None else np.array(channels, np.int64)
    setting = Setting(n_channels, n_scored, window, stride, saved.are_tokens, saved.is_exact, scored)
    if fitted is None:
        return setting
    n_symbols = fitted.shape.n_symbols
    loss = as_loss(fitted.parameters["loss"], of_tokens=n_symbols is not None)
    return replace(setting, autoencoder=Trained(fitted.model, loss, fitted.scaling, n_symbols))


def _scorer(saved: SavedDetector, arrays: Arrays, setting: Setting) -> Scorer:
    evidence = tuple(_evidence(of, arrays.below(f"evidence{k}."), setting) for k, of in enumerate(saved.evidence))
    where = places(evidence)
    if len(where) != sum(len(one.kinds) for one in evidence) or RECONSTRUCTION not in where:
        raise misfit("evidence", "must give each kind once, and the main model's errors")
    widths = {kind: place.stop - place.start for kind, place in where.items()}
    parts = tuple(_part(of, arrays.below(f"part{k}."), widths) for k, of in enumerate(saved.parts))
    if not parts:
        raise misfit("parts", "must be at least one")
    error = MeanError.from_arrays(arrays.below("error."), widths[RECONSTRUCTION])
    scorer = Scorer(evidence, parts, setting.window, setting.stride, error)
    _try(scorer, setting)
    return scorer


def _evidence(saved: SavedEvidence, arrays: Arrays, setting: Setting) -> Evidence:
    kind, kinds = evidence_named(saved.name), saved.kinds
    if not any(kinds and kinds == tuple(name for name in of if name in kinds) for of in (kind.leads, kind.offers)):
        raise misfit(f"{arrays.prefix}kinds", f"are not those of {kind.name!r}")
    if all(score.of == ("vectors" if setting.are_tokens else "tokens") for score in kind.scores):
        raise misfit(f"{arrays.prefix}name", f"is {kind.name!r}, which reads other data")
    return kind.from_arrays(arrays, kinds, setting)


def _part(saved: SavedPart, arrays: Arrays, widths: Mapping[str, int]) -> Part:
    score, measure = scores().get(saved.score), MEASURES.get(saved.measure)
    if score is None or measure is None or not set(widths).issuperset(score.kinds):
        raise misfit(arrays.prefix.rstrip("."), "is of a score or a measure that there is not")
    if saved.median <= 0 or saved.weight <= 0:
        raise misfit(arrays.prefix.rstrip("."), "must have a median and a weight above 0")
    return Part(
        score, measure.from_arrays(arrays, sum(widths[kind] for kind in score.kinds)), saved.median, saved.weight
    )


def _try(scorer: Scorer, setting: Setting) -> None:
    """A final check: score a short window of zeros, and one of full length."""
    lengths = np.array([8, min(setting.window or 8, TRIED_STEPS)])
    n_steps = int(lengths.sum())
    shape = (n_steps,) if setting.are_tokens else (n_steps, setting.n_channels)
    windows = Ragged.view(np.zeros(shape, np.int32 if setting.are_tokens else np.float32), np.array([0, 8]), lengths)
    try:
        with np.errstate(all="ignore"):
            checked(lambda: scorer.last_scores(windows), "the detector")
    except (ValueError, TypeError, IndexError, RuntimeError) as error:
        raise misfit("the detector", f"cannot score: {' '.join(str(error).split())[:200]}") from error


def _bytes(digits: str, place: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise misfit(place, "must be hexadecimal digits") from error


def _plain(value: object) -> Plain:
    """Parameters as JSON values; a random generator is left out."""
    if isinstance(value, np.random.RandomState):
        return None
    if isinstance(value, list | tuple | np.ndarray):
        return cast(Plain, tuple(_plain(item) for item in value))
    return cast(Plain, value.item() if isinstance(value, np.generic) else value)
