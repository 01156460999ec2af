"""A fitted detector as the content of a model file, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from ..errors import ModelFileError, SeqaeError
from ..estimator import SequenceAutoencoder
from ..parameters import check_choice
from ..storage.model_file import ModelFile
from .channels import ScoredErrors, ScoredValues, as_channels
from .fingerprints import as_fingerprints
from .fitting import scored
from .judging import Judge
from .linear import LinearModel
from .nearest import NearestSensor, Scale
from .neighbours import Neighbours
from .scorer import Scorer
from .scores import Mahalanobis, MeanError, MeanSurprise, Part
from .sensors import AutoencoderSensor, LinearSensor, Sensor
from .symbols import SymbolSensor
from .thresholds import Threshold, as_threshold, threshold_from_json, threshold_to_json
from .vetting import vet_detector, vet_values

if TYPE_CHECKING:
    from .detector import AnomalyDetector

KIND = "detector"
_PARAMETERS = ("window", "stride", "score", "baseline", "scored_channels", "held_out_fraction", "random_state")


def pack_detector(detector: AnomalyDetector, judge: Judge) -> ModelFile:
    """The file's content: the autoencoder's own, under a prefix, and what the detector learnt beside it.

    judge: by which it judges now; the threshold may have been set anew after fit().
    """
    scorer = detector.scorer_
    tensors: dict[str, np.ndarray] = {
        "held_out_scores": detector.held_out_scores_,
        "judge.held_out": judge.held_out,
        "fingerprints": detector.fingerprints_.rows,
    }
    if judge.learnt_from is not None:
        tensors["judge.learnt_from"] = judge.learnt_from.rows
    inner = None if detector.autoencoder_ is None else detector.autoencoder_.to_model_file()
    if inner is not None:
        tensors |= {f"autoencoder.{name}": array for name, array in inner.tensors.items()}
    config = {
        "parameters": {name: _plain(getattr(detector, name)) for name in _PARAMETERS},
        "threshold": threshold_to_json(judge.threshold),
        "limit": judge.limit,
        "window": detector.window_,
        "stride": scorer.stride,
        "n_channels": detector.n_channels_,
        "channel_names": list(detector.channel_names_),
        "vocabulary": detector.vocabulary_,
        "scored_channels": None if detector.scored_channels_ is None else detector.scored_channels_.tolist(),
        "autoencoder": None if inner is None else dict(inner.config),
        "sensors": [_pack_sensor(sensor, f"sensor{k}.", tensors) for k, sensor in enumerate(scorer.sensors)],
        "parts": [_pack_part(part, f"part{k}.", tensors) for k, part in enumerate(scorer.parts)],
    }
    if scorer.channels is not None:
        tensors["channels.typical"] = scorer.channels.typical
    return ModelFile(KIND, config, {name: np.ascontiguousarray(array) for name, array in tensors.items()})


def unpack_detector(file: ModelFile) -> AnomalyDetector:
    """The detector that pack_detector() was given. Raises ModelFileError if it is something else, or damaged."""
    if file.kind != KIND:
        raise ModelFileError(f"the file holds a {file.kind}, not a detector")
    try:
        vet_values(file.tensors)
        return _unpack(file.config, file.tensors)
    except (SeqaeError, KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelFileError(f"the model file does not fit together ({reason}); save the detector again") from error


def _unpack(config: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> AnomalyDetector:
    from .detector import AnomalyDetector

    autoencoder = None
    if config["autoencoder"] is not None:
        inner = ModelFile("autoencoder", config["autoencoder"], _below("autoencoder.", tensors))
        autoencoder = SequenceAutoencoder.from_model_file(inner)
    parameters = dict(config["parameters"])
    if isinstance(parameters["score"], list):
        parameters["score"] = tuple(parameters["score"])
    given = None if autoencoder is None else FrozenEstimator(autoencoder)
    detector = AnomalyDetector(given, threshold=threshold_from_json(config["threshold"]), **parameters)
    sensors = tuple(
        _unpack_sensor(saved, _below(f"sensor{k}.", tensors), autoencoder) for k, saved in enumerate(config["sensors"])
    )
    parts = tuple(_unpack_part(saved, _below(f"part{k}.", tensors)) for k, saved in enumerate(config["parts"]))
    channels = MeanError(tensors["channels.typical"]) if "channels.typical" in tensors else None
    scored_channels = config.get("scored_channels")
    names = _as_words(config["channel_names"])
    detector.scored_channels_ = as_channels(scored_channels, names, are_tokens=False)
    sensors = scored(sensors, detector.scored_channels_)
    detector.scorer_ = Scorer(sensors, parts, config["window"], config["stride"], channels)
    detector.autoencoder_, detector.window_ = autoencoder, config["window"]
    detector.judge_ = _unpack_judge(as_threshold(detector.threshold), config["limit"], tensors)
    detector.fingerprints_ = as_fingerprints(tensors["fingerprints"])
    detector.held_out_scores_ = tensors["held_out_scores"]
    detector.n_channels_, detector.channel_names_ = config["n_channels"], names
    vocabulary = config.get("vocabulary")
    detector.vocabulary_ = None if vocabulary is None else _as_words(vocabulary)
    vet_detector(detector)
    return detector


def _as_words(saved: Any) -> Any:
    return tuple(saved) if isinstance(saved, list) else saved


def _unpack_judge(threshold: Threshold | float | None, limit: float | None, tensors: Mapping[str, np.ndarray]) -> Judge:
    rows = tensors.get("judge.learnt_from")
    return Judge(threshold, limit, tensors["judge.held_out"], None if rows is None else as_fingerprints(rows))


def _pack_sensor(sensor: Sensor, prefix: str, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    if isinstance(sensor, ScoredErrors | ScoredValues):
        return _pack_sensor(sensor.sensor, prefix, tensors)
    if isinstance(sensor, SymbolSensor):
        tensors |= {f"{prefix}{name}": array for name, array in sensor.to_tensors().items()}
        return {"kind": "symbols", "kinds": list(sensor.kinds)}
    if isinstance(sensor, NearestSensor):
        for k, scale in enumerate(sensor.scales):
            _pack_vectors(scale.model, scale.neighbours, f"{prefix}scale{k}.", tensors)
            tensors[f"{prefix}scale{k}.usual"] = scale.usual
        return {"kind": "nearest", "kinds": list(sensor.kinds), "n_scales": len(sensor.scales)}
    _pack_vectors(sensor.model if isinstance(sensor, LinearSensor) else None, sensor.neighbours, prefix, tensors)
    return {"kind": "linear" if isinstance(sensor, LinearSensor) else "autoencoder", "kinds": list(sensor.kinds)}


def _pack_vectors(
    model: LinearModel | None, neighbours: Neighbours | None, prefix: str, tensors: dict[str, np.ndarray]
) -> None:
    if model is not None:
        tensors |= {f"{prefix}linear.{name}": array for name, array in model.to_tensors().items()}
    if neighbours is not None:
        tensors |= {f"{prefix}neighbours.{name}": array for name, array in neighbours.to_tensors().items()}


def _unpack_sensor(
    saved: Mapping[str, Any], tensors: dict[str, np.ndarray], autoencoder: SequenceAutoencoder | None
) -> Sensor:
    kinds = tuple(saved["kinds"])
    if saved["kind"] == "symbols":
        return SymbolSensor.from_tensors(tensors, kinds)
    if saved["kind"] == "nearest":
        scales = [_below(f"scale{k}.", tensors) for k in range(check_choice("n_scales", saved["n_scales"], (1, 2)))]
        return NearestSensor(tuple(_unpack_scale(part) for part in scales))
    memory = _below("neighbours.", tensors)
    neighbours = Neighbours(**memory) if memory else None
    if saved["kind"] == "linear":
        return LinearSensor(_model(tensors), neighbours, kinds)
    if autoencoder is None:
        raise ModelFileError("its autoencoder is missing")
    return AutoencoderSensor(autoencoder, neighbours, kinds)


def _unpack_scale(tensors: Mapping[str, np.ndarray]) -> Scale:
    return Scale(_model(tensors), Neighbours(**_below("neighbours.", tensors)), tensors["usual"])


def _model(tensors: Mapping[str, np.ndarray]) -> LinearModel:
    return LinearModel.from_tensors(_below("linear.", tensors))


def _pack_part(part: Part, prefix: str, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    if isinstance(part.model, MeanError):
        tensors[f"{prefix}typical"] = part.model.typical
    elif isinstance(part.model, MeanSurprise):
        tensors[f"{prefix}surprise"] = part.model.typical
    else:
        tensors |= {f"{prefix}mean": part.model.mean, f"{prefix}whitener": part.model.whitener}
    return {"name": part.name, "typical": part.typical, "weight": part.weight}


def _unpack_part(saved: Mapping[str, Any], tensors: dict[str, np.ndarray]) -> Part:
    return Part(saved["name"], _unpack_model(tensors), float(saved["typical"]), float(saved["weight"]))


def _unpack_model(tensors: Mapping[str, np.ndarray]) -> MeanError | MeanSurprise | Mahalanobis:
    if "typical" in tensors:
        return MeanError(tensors["typical"])
    if "surprise" in tensors:
        return MeanSurprise(tensors["surprise"])
    return Mahalanobis(tensors["mean"], tensors["whitener"])


def _below(prefix: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}


def _plain(value: Any) -> Any:
    """JSON values only; a random generator is left out."""
    if isinstance(value, np.random.RandomState):
        return None
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
