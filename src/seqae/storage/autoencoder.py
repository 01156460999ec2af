"""A fitted autoencoder as the content of a model file, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import torch

from ..errors import ModelFileError, SeqaeError
from ..model.autoencoder import Autoencoder
from ..model.building import build_for
from ..model.interface import Part
from ..model.losses import Loss
from ..model.plans import DataShape
from ..sequences.scaling import Scaling
from ..training.history import History
from .description import PLANS, Layers, Structure, from_json
from .model_file import ModelFile
from .vetting import decoded

KIND = "autoencoder"
_MODEL = "model."
DESCRIPTIONS = {**PLANS, "Loss": Loss}
"""What a parameter may be beside a name or a number; nothing else is made of what stands in a file."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What fit() leaves behind. parameters: of the estimator, with architecture and loss as they were given."""

    parameters: Mapping[str, Any]
    model: Autoencoder
    shape: DataShape
    scaling: Scaling
    history: History
    channel_names: tuple[str, ...]
    vocabulary: tuple[str, ...] | None = None


def pack(fitted: Fitted) -> ModelFile:
    """The file's content. Raises ModelFileError for a parameter that no file can hold."""
    weights = fitted.model.state_dict().items()
    tensors = {_MODEL + name: np.ascontiguousarray(tensor.detach().cpu().numpy()) for name, tensor in weights}
    tensors |= {"scaling.centre": fitted.scaling.centre, "scaling.scale": fitted.scaling.scale}
    config = {
        "parameters": {name: _to_json(value) for name, value in fitted.parameters.items()},
        "history": asdict(fitted.history),
        "channel_names": list(fitted.channel_names),
        "shape": asdict(fitted.shape),
        "vocabulary": fitted.vocabulary,
        "structure": asdict(_structure(fitted.model)),
    }
    return ModelFile(KIND, config, tensors)


def unpack(file: ModelFile) -> Fitted:
    """What pack() was given. Raises ModelFileError if the parts do not fit together."""
    try:
        return _unpack(file)
    except (SeqaeError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelFileError(f"the model file does not fit together ({reason}); save the model again") from error


def _unpack(file: ModelFile) -> Fitted:
    parameters = {name: from_json(value, DESCRIPTIONS) for name, value in file.config["parameters"].items()}
    scaling = Scaling(file.tensors["scaling.centre"], file.tensors["scaling.scale"])
    shape = DataShape(**file.config["shape"])
    weights = {
        name.removeprefix(_MODEL): torch.from_numpy(np.array(tensor))
        for name, tensor in file.tensors.items()
        if name.startswith(_MODEL)
    }
    with torch.device("meta"):  # sizes in a damaged file must not allocate anything
        model = build_for(parameters, shape)
    model.load_state_dict(weights, assign=True)
    model.tie()
    history = decoded(History, file.config["history"], "history")
    vocabulary = _as_tuples(file.config.get("vocabulary"))
    return Fitted(parameters, model, shape, scaling, history, tuple(file.config["channel_names"]), vocabulary)


def _structure(model: Autoencoder) -> Structure:
    parts = {"encoder": model.encoder, **model.decoders}
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    return Structure(n_parameters, tuple(_layers(name, part) for name, part in parts.items()))


def _layers(name: str, part: Part) -> Layers:
    layers = part.recurrent_layers
    return Layers(
        part=name,
        sizes=tuple(directions[0].weight_hh.shape[1] for directions in layers),
        cells=tuple(dict.fromkeys(layer.cell.kind for directions in layers for layer in directions)),
        n_both=sum(len(directions) == 2 for directions in layers),
    )


def _to_json(value: Any) -> Any:
    """JSON of a name, a number, or a description: its class beside its fields."""
    if is_dataclass(value):
        return {"is": type(value).__name__} | {
            f.name: _to_json(getattr(value, f.name)) for f in fields(value) if f.init
        }
    if isinstance(value, tuple):
        return [_to_json(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def _as_tuples(value: Any) -> Any:
    """JSON has lists where frozen values have tuples."""
    return tuple(_as_tuples(part) for part in value) if isinstance(value, list) else value
